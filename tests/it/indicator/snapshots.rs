//! Snapshots: the latest value, the one before, targets and freshness, as a dashboard asks for them.
use sharehub::pb;

use crate::{
    indicator::values::figure,
    support::{
        client::gso,
        desk::{BEN_TRE, Desk, aim, count, saw, target},
    },
};

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

#[tokio::test]
async fn a_snapshot_shows_the_latest_value_the_one_before_and_the_change() {
    let desk = Desk::start().await;
    let mut entries =
        vec![saw("doc.count", BEN_TRE, "2022", "10"), saw("doc.count", BEN_TRE, "2023", "12.0")];
    // Periods to date in between, as many as there are: they are not the one before of a year.
    for month in 1..=11 {
        entries.push(saw("doc.count", BEN_TRE, &format!("2024-YTD-{month:02}"), "1"));
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
        period: "2024-YTD-09".to_owned(),
        ..ask(&[BEN_TRE], &["doc.count"], "")
    };
    let told = cells(&desk, september).await;
    assert_eq!(told[0].latest.as_ref().unwrap().period, "2024-YTD-09");
    assert_eq!(told[0].previous.as_ref().unwrap().period, "2024-YTD-08");

    desk.define(vec![pb::Indicator { unit_rule: pb::UnitRule::Mean.into(), ..count("doc.count") }])
        .await;
    desk.publish(vec![saw("doc.count", BEN_TRE, "2024", "20")]).await;
    let told = cells(&desk, ask(&[BEN_TRE], &["doc.count"], "2025-03-01")).await;
    assert!(told[0].definition_changed, "version 2 beside version 1");
    assert_eq!(figure(told[0].latest.clone().unwrap()).definition_version, 2);
    assert_eq!(told[0].change, None, "nothing is subtracted across versions");
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
    let so_far = (State::Undecided, "2024-YTD-09".to_owned(), true);
    assert_eq!(judged("doc.count", "2024-11-01").await, so_far, "more may come");
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
