//! Indicators through the wire: numbers as they come back, snapshots, pages.
use sharehub::pb;

use crate::{
    hub::{gso, id},
    indicator::{BEN_TRE, Desk, amount, count, parts, ratio, rejected, saw},
};

fn figure(observation: pb::Observation) -> pb::Figure {
    observation.figure.unwrap()
}

/// What is told of a number: value, basis, computed value, and whether it contradicts itself.
fn told(figure: &pb::Figure) -> (&str, pb::FigureBasis, &str, bool) {
    let value = figure.value.as_deref().unwrap_or_default();
    let computed = figure.computed_value.as_deref().unwrap_or_default();
    (value, figure.basis(), computed, figure.inconsistent)
}

// === numbers ===

#[tokio::test]
async fn a_ratio_shows_what_was_reported_beside_what_its_components_say() {
    use pb::FigureBasis::{Computed, Reported};
    let desk = Desk::start().await;
    let exact = "60.784313725490196078";
    let table = [
        // Unit, components, value, and what is told.
        ("83", ("62", "102"), "61", ("61", Reported, exact, false)),
        ("80", ("62", "102"), "60.78", ("60.78", Reported, exact, false)),
        ("06", ("62", "102"), "64", ("64", Reported, exact, true)),
        ("01", ("62", "102"), "", (exact, Computed, exact, false)),
        ("02", ("3797", ""), "64", ("64", Reported, "", false)),
        ("04", ("0", "102"), "", ("0", Computed, "0", false)),
        ("08", ("", ""), "99.94", ("99.94", Reported, "", false)),
        ("10", ("10512", "10512"), "100", ("100", Reported, "100", false)),
    ];
    for (unit, over, value, _) in table {
        desk.publish(vec![parts(unit, "2024", over, value)]).await;
    }
    for (unit, over, _, expected) in table {
        let seen = figure(desk.stands("doc.rate", unit, "2024").await);
        assert_eq!(told(&seen), expected, "{unit}");
        let component = |it: Option<String>| it.unwrap_or_default();
        assert_eq!(
            (component(seen.numerator), component(seen.denominator)),
            (over.0.into(), over.1.into())
        );
        assert_eq!((seen.unit_of_measure.as_str(), seen.definition_version), ("%", 1));
    }
    let bound = |qualifier: pb::ValueQualifier, period| pb::ObservationEntry {
        qualifier: Some(qualifier.into()),
        ..parts(BEN_TRE, period, ("62", "102"), "61")
    };
    // 60.78… is not more than 61, but it is less.
    let (more, less) = (pb::ValueQualifier::MoreThan, pb::ValueQualifier::LessThan);
    desk.publish(vec![bound(more, "2022"), bound(less, "2023")]).await;
    assert!(figure(desk.stands("doc.rate", BEN_TRE, "2022").await).inconsistent);
    assert!(!figure(desk.stands("doc.rate", BEN_TRE, "2023").await).inconsistent);
    let alone = desk.try_publish(vec![parts("83", "2021", ("3797", ""), "")]).await;
    assert_eq!(rejected(&alone), ("FIELD_INVALID", vec!["value"]));
}

#[tokio::test]
async fn a_status_without_a_value_is_no_zero() {
    use pb::ObservationStatus::{NotApplicable, NotAssessed, NotImplemented, Withheld};
    let desk = Desk::start().await;
    for (status, period) in [
        (NotAssessed, "2021"),
        (NotImplemented, "2022"),
        (NotApplicable, "2023"),
        (Withheld, "2024"),
    ] {
        for indicator in ["doc.count", "doc.rate"] {
            let entry = saw(indicator, BEN_TRE, period, "");
            desk.publish(vec![pb::ObservationEntry { status: status.into(), ..entry }]).await;
            let seen = figure(desk.stands(indicator, BEN_TRE, period).await);
            assert_eq!(told(&seen), ("", pb::FigureBasis::Unspecified, "", false));
            assert_eq!((seen.value.clone(), seen.status()), (None, status));
        }
    }
    let cell = desk.cell("doc.count", gso(BEN_TRE, ""), "2024", None).await;
    assert_eq!(cell.change, None);
    assert!(cell.previous.is_some());
}

#[tokio::test]
async fn qualifiers_statuses_and_words_come_back_as_they_were_sent() {
    let desk = Desk::start().await;
    for number in 0..=6 {
        let period = (2000 + number).to_string();
        let provenance = pb::Provenance {
            source_system: "not-mine-to-say".to_owned(),
            channel: number % 4,
            source_document: "Báo cáo 12/BC-UBND\n\tphụ lục".to_owned(),
            source_record: "'; DROP TABLE observation; --".to_owned(),
            quote: "hơn 55% \u{202e}đảo\u{200b}".to_owned(),
            as_written: "62/102 … 61%".to_owned(),
            note: "=HYPERLINK(\"x\") %s {} \\u001b[31m".to_owned(),
        };
        let entry = pb::ObservationEntry {
            qualifier: (number != 0).then_some(number),
            status: 1 + number % 3,
            provenance: Some(provenance.clone()),
            ..saw("doc.rate", BEN_TRE, &period, "55")
        };
        desk.publish(vec![entry]).await;
        let seen = desk.stands("doc.rate", BEN_TRE, &period).await;
        let seen = figure(seen);
        let exact = pb::ValueQualifier::Exact.into();
        assert_eq!(seen.qualifier, if number == 0 { exact } else { number });
        assert_eq!(seen.status, 1 + number % 3);
        let source_system = crate::indicator::SOURCE.to_owned();
        assert_eq!(seen.provenance, Some(pb::Provenance { source_system, ..provenance }));
    }
}

#[tokio::test]
async fn decimals_come_back_digit_for_digit() {
    let desk = Desk::start().await;
    desk.define(vec![amount("budget")]).await;
    let table = [
        ("9999999999999999.99", "9999999999999999.99"),
        ("0.1", "0.1"),
        ("12345678901234567890", "12345678901234567890"),
        ("1234567890.1234567890", "1234567890.123456789"),
        ("1.50", "1.5"),
        ("-0.5", "-0.5"),
        ("0", "0"),
        ("0.0", "0"),
        ("0.0000000001", "0.0000000001"),
        ("100", "100"),
        ("9007199254740993", "9007199254740993"),
    ];
    let entry = |(n, (sent, _)): (usize, &(&str, &str))| {
        saw("budget", BEN_TRE, &(2000 + n).to_string(), sent)
    };
    desk.publish(table.iter().enumerate().map(entry).collect()).await;
    for (n, (_, back)) in table.into_iter().enumerate() {
        let seen = figure(desk.stands("budget", BEN_TRE, &(2000 + n).to_string()).await);
        assert_eq!(seen.value.as_deref(), Some(back));
    }
    let same = desk.publish(vec![saw("budget", BEN_TRE, "2004", "1.5")]).await;
    assert_eq!(same.unchanged, 1, "1.50 and 1.5 are the same number");
    let change = desk.cell("budget", gso(BEN_TRE, ""), "2001", None).await.change;
    assert_eq!(change.as_deref(), Some("-9999999999999999.89"));
}

#[tokio::test]
async fn a_moment_and_a_breakdown_are_kept() {
    let desk = Desk::start().await;
    let broken = |channel: &str, value| pb::ObservationEntry {
        breakdown: [("channel".to_owned(), channel.to_owned())].into(),
        ..saw("doc.count", BEN_TRE, "2024", value)
    };
    let moment = pb::ObservationEntry {
        as_of: "2024-11-29".to_owned(),
        ..saw("doc.count", BEN_TRE, "2024", "3")
    };
    let entries = vec![moment, broken("online", "1"), broken("postal", "2")];
    assert_eq!(desk.publish(entries).await.created, 3);
    let seen = desk.stands("doc.count", BEN_TRE, "2024").await;
    assert_eq!((seen.as_of.as_str(), seen.breakdown.len()), ("2024-11-29", 0));
    assert_eq!(
        (seen.period_from.as_str(), seen.period_before.as_str()),
        ("2024-01-01", "2025-01-01")
    );
    let versions = desk.versions(&broken("postal", "")).await;
    let [postal] = versions.as_slice() else { panic!("one version: {versions:?}") };
    assert_eq!(postal.breakdown, broken("postal", "").breakdown);
    assert_eq!(postal.figure.as_ref().unwrap().value.as_deref(), Some("2"));
    let request = pb::QueryObservationsRequest::default();
    let all = desk.source.indicators().query_observations(request).await.unwrap().into_inner();
    assert_eq!(all.observations.len(), 3);
}

#[tokio::test]
async fn a_code_is_resolved_at_the_end_of_the_period_spoken_about() {
    let desk = Desk::start().await;
    let today_is_no_matter = [("2024", "Tỉnh Long An"), ("2026", "Tỉnh Tây Ninh")];
    for (period, name) in today_is_no_matter {
        desk.publish(vec![saw("doc.count", "80", period, "1")]).await;
        let seen = desk.stands("doc.count", "80", period).await;
        assert_eq!(seen.unit.unwrap().name, name);
    }
    let long_an = desk.stands("doc.count", "80", "2024").await.unit.unwrap();
    let by_id = pb::ObservationEntry { unit: id(long_an.id), ..saw("doc.count", "", "2024", "2") };
    assert_eq!(desk.publish(vec![by_id.clone()]).await.corrected, 1);
    // It stood for a part of 2025, so it may speak about 2025; not about 2026.
    let of = |period: &str| pb::ObservationEntry { period: period.to_owned(), ..by_id.clone() };
    desk.publish(vec![of("2025")]).await;
    let late = desk.try_publish(vec![of("2026")]).await;
    assert_eq!(rejected(&late), ("FIELD_INVALID", vec!["unit"]));
    let own_date =
        pb::ObservationEntry { unit: gso("80", "2024-12-31"), ..saw("doc.count", "", "2025", "2") };
    assert_eq!(desk.publish(vec![own_date]).await.unchanged, 1);
}

#[tokio::test]
async fn a_retired_indicator_keeps_its_values_and_takes_no_new_ones() {
    let desk = Desk::start().await;
    desk.publish(vec![saw("doc.count", BEN_TRE, "2023", "1")]).await;
    desk.define(vec![pb::Indicator { retired: true, ..count("doc.count") }]).await;
    let new = desk.try_publish(vec![saw("doc.count", BEN_TRE, "2024", "1")]).await;
    assert_eq!(rejected(&new), ("FIELD_INVALID", vec!["indicator"]));
    assert_eq!(desk.publish(vec![saw("doc.count", BEN_TRE, "2023", "2")]).await.corrected, 1);
    let cell = desk.cell("doc.count", gso(BEN_TRE, ""), "2023", None).await;
    assert_eq!(cell.freshness.unwrap().state(), pb::FreshnessState::Retired);
    assert_eq!(figure(cell.latest.unwrap()).value.as_deref(), Some("2"));
}

#[tokio::test]
async fn a_reporting_month_goes_from_the_15th_to_the_14th() {
    let desk = Desk::start().await;
    let calendar = pb::ReportCalendar::Report1514.into();
    let frequency = pb::ReportFrequency::Month.into();
    desk.define(vec![pb::Indicator { calendar, frequency, ..count("report") }]).await;
    let entry = |as_of: &str| pb::ObservationEntry {
        as_of: as_of.to_owned(),
        ..saw("report", BEN_TRE, "2024-09", "1")
    };
    desk.publish(vec![entry("2024-08-15")]).await;
    let late = desk.try_publish(vec![entry("2024-09-15")]).await;
    assert_eq!(rejected(&late), ("FIELD_INVALID", vec!["as_of"]));
    let seen = desk.stands("report", BEN_TRE, "2024-09").await;
    assert_eq!(
        (seen.period_from.as_str(), seen.period_before.as_str()),
        ("2024-08-15", "2024-09-15")
    );
}

#[tokio::test]
async fn a_number_is_read_by_the_definition_it_was_published_under() {
    let desk = Desk::start().await;
    desk.publish(vec![parts(BEN_TRE, "2023", ("62", "102"), "")]).await;
    aim(&desk, vec![target("doc.rate", BEN_TRE, "2023", pb::TargetComparison::AtLeast, "60")])
        .await;
    let (scale, unit_of_measure) = ("1000".to_owned(), "‰".to_owned());
    desk.define(vec![pb::Indicator { scale, unit_of_measure, ..ratio("doc.rate") }]).await;
    desk.publish(vec![parts(BEN_TRE, "2024", ("62", "102"), "")]).await;
    let told =
        [("2023", "60.784313725490196078", "%", 1), ("2024", "607.84313725490196078", "‰", 2)];
    for (period, value, unit, version) in told {
        let seen = figure(desk.stands("doc.rate", BEN_TRE, period).await);
        assert_eq!(seen.value.as_deref(), Some(value), "{period}");
        assert_eq!((seen.unit_of_measure.as_str(), seen.definition_version), (unit, version));
    }
    let cell = desk.cell("doc.rate", gso(BEN_TRE, ""), "2023", None).await;
    assert_eq!(cell.target.unwrap().unit_of_measure, "%");
    assert_eq!(cell.attainment.unwrap().gap.as_deref(), Some("0.784313725490196078"));
    let cell = desk.cell("doc.rate", gso(BEN_TRE, ""), "2024", None).await;
    assert!(cell.definition_changed, "the change says little, and says so");
    let entry = parts(BEN_TRE, "2023", ("62", "102"), "");
    let version = desk.versions(&entry).await.remove(0);
    assert_eq!(figure(version).unit_of_measure, "%");
}

// === snapshots ===

fn ask(units: &[&str], indicators: &[&str], date: &str) -> pb::GetSnapshotRequest {
    pb::GetSnapshotRequest {
        units: units.iter().map(|it| gso(it, "").unwrap()).collect(),
        indicators: indicators.iter().map(|it| (*it).to_owned()).collect(),
        date: date.to_owned(),
        ..Default::default()
    }
}

async fn cells(desk: &Desk, request: pb::GetSnapshotRequest) -> Vec<pb::SnapshotCell> {
    desk.source.indicators().get_snapshot(request).await.unwrap().into_inner().cells
}

pub async fn aim(desk: &Desk, targets: Vec<pb::TargetEntry>) -> pb::Receipt {
    let request = pb::PublishTargetsRequest { targets, ..Default::default() };
    let answer = desk.source.indicators().publish_targets(request).await.unwrap();
    let receipt = answer.into_inner().receipt.unwrap();
    assert_eq!(receipt.rejected, 0, "{receipt:?}");
    receipt
}

pub fn target(
    indicator: &str,
    unit: &str,
    period: &str,
    how: pb::TargetComparison,
    value: &str,
) -> pb::TargetEntry {
    let pb::ObservationEntry { indicator, unit, period, value, .. } =
        saw(indicator, unit, period, value);
    pb::TargetEntry { indicator, unit, period, comparison: how.into(), value, provenance: None }
}

#[tokio::test]
async fn a_snapshot_shows_the_latest_value_the_one_before_and_the_change() {
    let desk = Desk::start().await;
    let mut entries =
        vec![saw("doc.count", BEN_TRE, "2022", "10"), saw("doc.count", BEN_TRE, "2023", "12.0")];
    // Shorter periods in between, as many as there are: they are not the one before of a year.
    for part in
        ["H1", "H2", "Q1", "Q2", "Q3", "Q4", "01", "02", "08", "09", "10", "11", "12", "YTD-12"]
    {
        entries.push(saw("doc.count", BEN_TRE, &format!("2024-{part}"), "1"));
    }
    entries.push(saw("doc.count", BEN_TRE, "2024", "9"));
    entries.push(saw("doc.rate", "80", "2024", "50"));
    desk.publish(entries).await;
    let told = cells(&desk, ask(&[BEN_TRE, "80"], &["doc.rate", "doc.count"], "2025-03-01")).await;
    let order: Vec<_> = told
        .iter()
        .map(|it| (it.unit.as_ref().unwrap().code.as_str(), it.indicator.as_str()))
        .collect();
    let expected =
        [(BEN_TRE, "doc.rate"), (BEN_TRE, "doc.count"), ("80", "doc.rate"), ("80", "doc.count")];
    assert_eq!(order, expected);
    let cell = told[1].clone();
    assert_eq!(cell.latest.unwrap().period, "2024");
    assert_eq!(cell.previous.map(|it| it.period).as_deref(), Some("2023"));
    assert_eq!(cell.change.as_deref(), Some("-3"));
    assert!(!cell.definition_changed);
    assert_eq!((told[0].latest.as_ref(), told[3].latest.as_ref()), (None, None));
    assert!(told[2].latest.is_some());

    // On an earlier day, what came later is left out.
    for (date, latest) in [("2023-06-30", "2023"), ("2022-12-31", "2022"), ("2024-08-15", "2024")] {
        let told = cells(&desk, ask(&[BEN_TRE], &["doc.count"], date)).await;
        assert_eq!(told[0].latest.as_ref().unwrap().period, latest, "{date}");
    }
    let september = pb::GetSnapshotRequest {
        period: "2024-09".to_owned(),
        ..ask(&[BEN_TRE], &["doc.count"], "")
    };
    let told = cells(&desk, september).await;
    assert_eq!(told[0].latest.as_ref().unwrap().period, "2024-09");
    assert_eq!(told[0].previous.as_ref().unwrap().period, "2024-08");

    desk.define(vec![pb::Indicator {
        description: "đếm khác đi".to_owned(),
        ..count("doc.count")
    }])
    .await;
    desk.publish(vec![saw("doc.count", BEN_TRE, "2024", "20")]).await;
    let told = cells(&desk, ask(&[BEN_TRE], &["doc.count"], "2025-03-01")).await;
    assert!(told[0].definition_changed, "version 2 beside version 1");
    assert_eq!(figure(told[0].latest.clone().unwrap()).definition_version, 2);
    assert_eq!(told[0].change.as_deref(), Some("8"));
}

#[tokio::test]
async fn a_unit_asked_for_twice_is_answered_twice() {
    let desk = Desk::start().await;
    desk.publish(vec![saw("doc.count", BEN_TRE, "2024", "5")]).await;
    aim(&desk, vec![target("doc.count", BEN_TRE, "2024", pb::TargetComparison::AtLeast, "5")])
        .await;
    let told =
        cells(&desk, ask(&[BEN_TRE, BEN_TRE], &["doc.count", "doc.count"], "2025-03-01")).await;
    assert_eq!(told.len(), 4);
    assert!(told[0].latest.is_some() && told[0].target.is_some());
    assert!(told.iter().all(|it| *it == told[0]), "{told:?}");
}

#[tokio::test]
async fn a_target_is_judged_when_asked() {
    use pb::{
        AttainmentState as State, TargetComparison as Comparison, ValueQualifier as Qualifier,
    };
    let desk = Desk::start().await;
    desk.define(vec![pb::Indicator {
        direction: pb::IndicatorDirection::LessIsBetter.into(),
        ..count("late")
    }])
    .await;
    let table = [
        ("83", "doc.rate", Comparison::AtLeast, "95", "95", Qualifier::Exact, State::Met, "0"),
        (
            "80",
            "doc.rate",
            Comparison::AtLeast,
            "95",
            "94.9",
            Qualifier::Exact,
            State::NotMet,
            "-0.1",
        ),
        (
            "06",
            "doc.rate",
            Comparison::AtLeast,
            "60",
            "55",
            Qualifier::MoreThan,
            State::Undecided,
            "-5",
        ),
        ("01", "doc.rate", Comparison::AtLeast, "50", "55", Qualifier::MoreThan, State::Met, "5"),
        ("02", "doc.rate", Comparison::MoreThan, "95", "95", Qualifier::Exact, State::NotMet, "0"),
        ("04", "doc.rate", Comparison::AtLeast, "95", "", Qualifier::Exact, State::NoValue, ""),
        (
            "08",
            "doc.rate",
            Comparison::Qualitative,
            "",
            "95",
            Qualifier::Exact,
            State::Qualitative,
            "",
        ),
        ("10", "late", Comparison::AtMost, "5", "5", Qualifier::Exact, State::Met, "0"),
        ("11", "late", Comparison::LessThan, "5", "5", Qualifier::Exact, State::NotMet, "0"),
        ("12", "late", Comparison::AtMost, "5", "4", Qualifier::About, State::Undecided, "-1"),
    ];
    for (unit, indicator, how, aimed, value, qualifier, ..) in table {
        aim(&desk, vec![target(indicator, unit, "2024", how, aimed)]).await;
        let entry = saw(indicator, unit, "2024", value);
        if !value.is_empty() {
            desk.publish(vec![pb::ObservationEntry { qualifier: Some(qualifier.into()), ..entry }])
                .await;
        }
    }
    for (unit, indicator, how, aimed, _, _, state, gap) in table {
        let told = cells(&desk, ask(&[unit], &[indicator], "2025-03-01")).await;
        let (kept, judged) = (told[0].target.clone().unwrap(), told[0].attainment.clone().unwrap());
        assert_eq!((kept.comparison(), kept.value.unwrap_or_default().as_str()), (how, aimed));
        assert_eq!(judged.state(), state, "{unit}");
        assert_eq!(judged.gap.unwrap_or_default(), gap, "{unit}");
        let period = if state == State::NoValue { "" } else { "2024" };
        assert_eq!((judged.judged_period.as_str(), judged.to_date), (period, false), "{unit}");
    }
    let none = cells(&desk, ask(&["14"], &["late"], "2025-03-01")).await;
    assert_eq!((none[0].target.as_ref(), none[0].attainment.as_ref()), (None, None));
}

#[tokio::test]
async fn the_target_of_the_period_shown_comes_first_then_the_next_then_the_last() {
    let desk = Desk::start().await;
    let at_least = pb::TargetComparison::AtLeast;
    let aims = ["2020", "2022", "2023", "2024"];
    aim(&desk, aims.map(|it| target("doc.rate", BEN_TRE, it, at_least, "90")).to_vec()).await;
    let of = async |date: &str| {
        let told = cells(&desk, ask(&[BEN_TRE], &["doc.rate"], date)).await;
        told[0].target.clone().unwrap().period
    };
    assert_eq!(of("2023-06-01").await, "2023", "the next one");
    desk.publish(vec![saw("doc.rate", BEN_TRE, "2022", "91")]).await;
    assert_eq!(of("2023-06-01").await, "2022", "that of the period shown");
    aim(&desk, vec![target("doc.rate", "80", "2020", at_least, "90")]).await;
    let told = cells(&desk, ask(&["80"], &["doc.rate"], "2024-01-01")).await;
    assert_eq!(told[0].target.as_ref().unwrap().period, "2020", "the last one");
}

#[tokio::test]
async fn a_running_year_is_judged_by_what_is_known_of_it_so_far() {
    use pb::AttainmentState as State;
    let desk = Desk::start().await;
    let last = pb::TimeRule::Last.into();
    let frequency = pb::ReportFrequency::Quarter.into();
    desk.define(vec![pb::Indicator { time_rule: last, frequency, ..count("stock") }]).await;
    let at_least = pb::TargetComparison::AtLeast;
    let aims = ["doc.count", "stock"].map(|it| target(it, BEN_TRE, "2024", at_least, "100"));
    aim(&desk, aims.to_vec()).await;
    let seen = [
        ("doc.count", "2024-Q1", "150"),
        ("doc.count", "2024-YTD-09", "90"),
        ("stock", "2024-Q1", "80"),
        ("stock", "2024-Q4", "120"),
    ];
    desk.publish(seen.map(|(code, period, value)| saw(code, BEN_TRE, period, value)).to_vec())
        .await;
    let judged = async |code: &str, date: &str| {
        let told = cells(&desk, ask(&[BEN_TRE], &[code], date)).await;
        let judged = told[0].attainment.clone().unwrap();
        (judged.state(), judged.judged_period, judged.to_date)
    };
    let so_far = (State::NotMet, "2024-YTD-09".to_owned(), true);
    assert_eq!(judged("doc.count", "2024-11-01").await, so_far, "a quarter says nothing of a sum");
    assert_eq!(judged("stock", "2024-12-31").await, (State::Met, "2024-Q4".to_owned(), true));
    let early = (State::NotMet, "2024-Q1".to_owned(), true);
    assert_eq!(judged("stock", "2024-06-30").await, early, "later values are left out");
}

#[tokio::test]
async fn freshness_is_judged_on_the_day_of_the_dashboard() {
    use pb::FreshnessState::{Fresh, NoData, Stale, UnitClosed};
    let desk = Desk::start().await;
    let frequency = pb::ReportFrequency::Month.into();
    desk.define(vec![pb::Indicator { frequency, due_days: 10, ..count("monthly") }]).await;
    let of = async |unit: Option<pb::UnitRef>, date: &str| {
        let request =
            pb::GetSnapshotRequest { units: vec![unit.unwrap()], ..ask(&[], &["monthly"], date) };
        let fresh = cells(&desk, request).await[0].freshness.clone().unwrap();
        (fresh.state(), fresh.missing_period, fresh.due_date, fresh.days_late)
    };
    let plain = |state| (state, String::new(), String::new(), 0);
    let late =
        |state, period: &str, due: &str, days| (state, period.to_owned(), due.to_owned(), days);
    let ben_tre = || gso(BEN_TRE, "2024-12-31");
    let none = late(NoData, "2024-03", "2024-04-10", 20);
    assert_eq!(of(ben_tre(), "2024-04-30").await, none);
    desk.publish(vec![saw("monthly", BEN_TRE, "2024-03", "1")]).await;
    let table = [
        ("2024-04-30", plain(Fresh)),
        ("2024-05-10", plain(Fresh)),
        ("2024-05-11", late(Stale, "2024-04", "2024-05-10", 1)),
        ("2024-08-01", late(Stale, "2024-04", "2024-05-10", 83)),
        ("2025-12-01", late(Stale, "2024-04", "2024-05-10", 570)),
    ];
    for (date, expected) in table {
        assert_eq!(of(ben_tre(), date).await, expected, "{date}");
    }
    desk.publish(vec![saw("monthly", BEN_TRE, "2025-06", "1")]).await;
    assert_eq!(of(ben_tre(), "2025-12-01").await, plain(UnitClosed));
    // An old period is asked for: newer ones are here, and are not missing.
    let march = pb::GetSnapshotRequest {
        period: "2024-03".to_owned(),
        ..ask(&[BEN_TRE], &["monthly"], "2025-12-01")
    };
    let march = cells(&desk, march).await.remove(0);
    assert_eq!(march.latest.unwrap().period, "2024-03");
    assert_eq!(march.freshness.unwrap().state(), UnitClosed);
    let today = sharehub::time::Day::today().to_string();
    let unit = saw("monthly", "86", "2026-01", "1").unit;
    let request =
        pb::GetSnapshotRequest { units: vec![unit.unwrap()], ..ask(&[], &["monthly"], "") };
    let answer = desk.source.indicators().get_snapshot(request).await.unwrap().into_inner();
    assert_eq!(answer.judged_on, today);
}
