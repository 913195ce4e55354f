//! Periods: codes for the same days, what may be published when, and when a value was released.
use sharehub::{pb, time::Day};

use crate::support::{
    client::gso,
    desk::{BEN_TRE, Desk, count, outcomes, rejected, saw},
};

const UNIT: &str = "86";

async fn monthly() -> Desk {
    let desk = Desk::start().await;
    let frequency = pb::ReportFrequency::Month.into();
    let quarterly = pb::ReportFrequency::Quarter.into();
    let indicators = vec![
        pb::Indicator { frequency, ..count("m") },
        pb::Indicator { frequency: quarterly, ..count("q") },
    ];
    assert_eq!(desk.define(indicators).await.created, 2);
    desk
}

fn with(entry: pb::ObservationEntry, status: pb::ObservationStatus) -> pb::ObservationEntry {
    pb::ObservationEntry { status: status.into(), ..entry }
}

#[tokio::test]
async fn row_8_two_codes_for_the_same_days_name_one_value() {
    let desk = monthly().await;
    // Sent, kept under.
    let table = [
        ("m", "2024-Q1", "2024-Q1"),
        ("m", "2024-YTD-03", "2024-Q1"),
        ("m", "2024-YTD-01", "2024-01"),
        ("m", "2024-YTD-02", "2024-YTD-02"),
        ("m", "2024-YTD-12", "2024"),
        ("q", "2024-YTD-06", "2024-H1"),
        ("q", "2024-YTD-01", "2024-YTD-01"),
        ("q", "2024-01", "2024-YTD-01"),
        ("doc.count", "2024-H1", "2024-YTD-06"),
        ("doc.count", "2024-Q1", "2024-YTD-03"),
    ];
    for (n, (indicator, sent, kept)) in table.into_iter().enumerate() {
        desk.publish(vec![saw(indicator, UNIT, sent, &n.to_string())]).await;
        for asked in [sent, kept] {
            let request = pb::QueryObservationsRequest {
                indicators: vec![indicator.to_owned()],
                period: asked.to_owned(),
                ..Default::default()
            };
            let answer = desk.source.indicators().query_observations(request).await.unwrap();
            let rows = answer.into_inner().observations;
            assert_eq!(rows.len(), 1, "{indicator} {asked}");
            assert_eq!(rows[0].period, kept, "{indicator} {sent}");
            let value = rows[0].figure.as_ref().unwrap().value.clone().unwrap();
            assert_eq!(value, n.to_string(), "{indicator} {asked}");
        }
    }
}

#[tokio::test]
async fn row_8_latest_is_of_the_frequency_and_others_stand_beside() {
    let desk = monthly().await;
    let values = [("2024-01", "1"), ("2024-02", "2"), ("2024-YTD-02", "3"), ("2024", "99")];
    desk.publish(values.map(|(period, value)| saw("m", BEN_TRE, period, value)).into()).await;
    // On a day on which the year was running.
    let request = pb::GetSnapshotRequest {
        units: gso(BEN_TRE, "").into_iter().collect(),
        indicators: vec!["m".to_owned()],
        date: "2024-06-01".to_owned(),
        ..Default::default()
    };
    let answer = desk.source.indicators().get_snapshot(request).await.unwrap().into_inner();
    let cell = answer.cells.into_iter().next().unwrap();
    assert_eq!(cell.latest.unwrap().period, "2024-02");
    assert_eq!(cell.previous.unwrap().period, "2024-01");
    assert_eq!(cell.change.as_deref(), Some("1"));
    let beside: Vec<_> = cell.beside.iter().map(|it| it.period.as_str()).collect();
    assert_eq!(beside, ["2024", "2024-YTD-02"]);
    // The running year is no report of its months.
    let freshness = cell.freshness.unwrap();
    assert_eq!(freshness.state(), pb::FreshnessState::Stale);
    assert_eq!(freshness.missing_period, "2024-03");
}

#[tokio::test]
async fn row_8_a_period_is_long_enough_and_its_time_has_come() {
    use pb::ObservationStatus::{Estimated, Final, NotAssessed, Provisional};
    let desk = monthly().await;
    let (year, ..) = Day::today().ymd();
    let (running, next) = (year.to_string(), (year + 1).to_string());
    let table = [
        (saw("m", UNIT, "2025-01-05", "1"), &["period"][..]),
        (saw("m", UNIT, "2025-W07", "1"), &["period"]),
        (saw("doc.count", UNIT, "2025-H2", "1"), &["period"]),
        (saw("doc.count", UNIT, "2025-07", "1"), &["period"]),
        (saw("doc.count", UNIT, "2030", "1"), &["status"]),
        (with(saw("doc.count", UNIT, &next, "1"), Provisional), &["status"]),
        (with(saw("doc.count", UNIT, &next, ""), NotAssessed), &["status"]),
        (with(saw("doc.count", UNIT, &running, "1"), Final), &["status"]),
        (with(saw("doc.count", UNIT, &next, "1"), Estimated), &[]),
        (with(saw("doc.count", UNIT, &running, "1"), Provisional), &[]),
    ];
    for (entry, fields) in table {
        let receipt = desk.try_publish(vec![entry.clone()]).await;
        match fields {
            [] => assert_eq!(outcomes(&receipt), [pb::ItemOutcome::Created], "{entry:?}"),
            fields => {
                assert_eq!(rejected(&receipt), ("FIELD_INVALID", fields.to_vec()), "{entry:?}");
            }
        }
    }
}

#[tokio::test]
async fn row_11_history_is_late_only_where_its_source_was() {
    use pb::AvailabilityState::{InTime, Late};
    let desk = Desk::start().await;
    let released = |period: &str, day: &str| pb::ObservationEntry {
        released_on: day.to_owned(),
        ..saw("doc.count", "86", period, "5")
    };
    desk.publish(vec![released("2025", "2026-01-20"), saw("doc.count", "80", "2025", "5")]).await;
    let ask = async |unit: &str| {
        let request = pb::GetAvailabilityRequest {
            indicators: vec!["doc.count".to_owned()],
            units: gso(unit, "2026-01-01").into_iter().collect(),
            ends_from: "2025-01-01".to_owned(),
            ends_before: "2026-01-01".to_owned(),
            ..Default::default()
        };
        let answer = desk.source.indicators().get_availability(request).await.unwrap();
        let cell = answer.into_inner().cells.remove(0);
        (cell.state(), cell.days_late > 0)
    };
    // Due 30 days after the end of the year.
    assert_eq!(ask("86").await, (InTime, false));
    assert_eq!(ask("80").await, (Late, true));
    // A source may say so later; what it says is kept and shown.
    desk.publish(vec![pb::ObservationEntry {
        released_on: "2026-02-10".to_owned(),
        ..saw("doc.count", "80", "2025", "5")
    }])
    .await;
    assert_eq!(ask("80").await, (Late, true));
    assert_eq!(desk.stands("doc.count", "80", "2025").await.released_on, "2026-02-10");
    let tomorrow = Day::today().next().to_string();
    for day in ["2024-12-31", tomorrow.as_str()] {
        let receipt = desk.try_publish(vec![released("2025", day)]).await;
        assert_eq!(rejected(&receipt), ("FIELD_INVALID", vec!["released_on"]), "{day}");
    }
}

#[tokio::test]
async fn row_13_a_period_is_asked_once_and_bounds_stand_in_order() {
    let desk = Desk::start().await;
    let roll_up = pb::RollUpRequest {
        indicator: "doc.count".to_owned(),
        unit: gso(UNIT, "2026-01-01"),
        periods: ["2025", "2024", "2025"].map(str::to_owned).into(),
        geography: pb::Geography::Current.into(),
        ..Default::default()
    };
    let refused = desk.source.indicators().roll_up(roll_up).await.unwrap_err();
    assert!(refused.message().contains("periods[2]"), "{}", refused.message());
    let query = pb::QueryObservationsRequest {
        ends_from: "2025-02-01".to_owned(),
        ends_before: "2025-01-01".to_owned(),
        ..Default::default()
    };
    let refused = desk.source.indicators().query_observations(query).await.unwrap_err();
    assert!(refused.message().contains("ends_before"), "{}", refused.message());
}

#[tokio::test]
async fn an_hour_and_a_school_year_are_periods() {
    let desk = Desk::start().await;
    let (hour, school) = (pb::ReportFrequency::Hour.into(), pb::ReportFrequency::SchoolYear.into());
    let indicators = vec![
        pb::Indicator { frequency: hour, ..count("hourly") },
        pb::Indicator { frequency: school, ..count("schooling") },
    ];
    assert_eq!(desk.define(indicators).await.created, 2);
    let day = Day::today().previous();
    let periods = ["T09", "T10"].map(|it| format!("{day}{it}"));
    let hours = periods.iter().zip(["5", "7"]);
    desk.publish(hours.map(|(period, value)| saw("hourly", UNIT, period, value)).collect()).await;
    let cell = desk.cell("hourly", gso(UNIT, ""), "", None).await;
    assert_eq!(cell.latest.unwrap().period, periods[1]);
    assert_eq!(
        (cell.previous.unwrap().period, cell.change),
        (periods[0].clone(), Some("2".to_owned()))
    );
    let receipt = desk.try_publish(vec![saw("schooling", UNIT, "2025-09", "5")]).await;
    assert_eq!(rejected(&receipt).1, ["period"]);
    desk.publish(vec![saw("schooling", UNIT, "2025-SY", "5")]).await;
    let kept = desk.stands("schooling", UNIT, "2025-SY").await;
    assert_eq!(
        (kept.period_from.as_str(), kept.period_before.as_str()),
        ("2025-09-01", "2026-09-01")
    );
}
