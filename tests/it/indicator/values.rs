//! Numbers as they come back: digits, qualifiers, statuses, components, breakdowns and periods.
use sharehub::pb;

use crate::{
    indicator::breakdowns::dimension,
    support::{
        client::{exactly, gso, id},
        desk::{BEN_TRE, Desk, amount, count, parts, ratio, rejected, saw},
    },
};

pub fn figure(observation: pb::Observation) -> pb::Figure {
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
        let source_system = crate::support::desk::SOURCE.to_owned();
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
    let channel = dimension("channel", pb::DimensionRule::Sum, false, &["online", "postal"]);
    desk.define(vec![pb::Indicator { dimensions: vec![channel], ..count("cut.count") }]).await;
    let broken = |channel: &str, value| pb::ObservationEntry {
        breakdown: [("channel".to_owned(), channel.to_owned())].into(),
        ..saw("cut.count", BEN_TRE, "2024", value)
    };
    let moment = pb::ObservationEntry {
        as_of: "2024-11-29".to_owned(),
        ..saw("cut.count", BEN_TRE, "2024", "3")
    };
    let entries = vec![moment, broken("online", "1"), broken("postal", "2")];
    assert_eq!(desk.publish(entries).await.created, 3);
    let seen = desk.stands("cut.count", BEN_TRE, "2024").await;
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
    let today_is_no_matter = [("2024", "Tỉnh Long An"), ("2025", "Tỉnh Tây Ninh")];
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
    let status = pb::ObservationStatus::Provisional.into();
    let late = pb::ObservationEntry { status, ..of("2026") };
    let late = desk.try_publish(vec![late]).await;
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
    let entry = parts(BEN_TRE, "2024", ("62", "102"), "");
    desk.publish(vec![entry.clone()]).await;
    let before = desk.head().await;
    let key = pb::ObservationKey {
        indicator: "doc.rate".to_owned(),
        unit: gso(BEN_TRE, ""),
        period: "2024".to_owned(),
        ..Default::default()
    };
    let request = pb::WithdrawObservationsRequest {
        observations: vec![key],
        reason: "đơn vị tính sai".to_owned(),
        ..Default::default()
    };
    desk.source.indicators().withdraw_observations(request).await.unwrap();
    // Without values the meaning may move.
    let (scale, unit_of_measure) = ("1000".to_owned(), "‰".to_owned());
    desk.define(vec![pb::Indicator { scale, unit_of_measure, ..ratio("doc.rate") }]).await;
    desk.publish(vec![entry.clone()]).await;
    let told = [
        (exactly(before), "60.784313725490196078", "%", 1),
        (None, "607.84313725490196078", "‰", 2),
    ];
    for (consistency, value, unit, version) in told {
        let cell = desk.cell("doc.rate", gso(BEN_TRE, ""), "2024", consistency).await;
        let seen = figure(cell.latest.unwrap());
        assert_eq!(seen.value.as_deref(), Some(value), "{version}");
        assert_eq!((seen.unit_of_measure.as_str(), seen.definition_version), (unit, version));
    }
    let first = desk.versions(&entry).await.pop().unwrap();
    assert_eq!(figure(first).unit_of_measure, "%");
}
