//! Availability: who reported in time, who late, and who not.
use sharehub::pb;

use crate::support::{
    client::gso,
    desk::{Desk, count, saw},
};

// === availability ===

#[tokio::test]
async fn availability_says_who_reported_in_time_who_late_and_who_not() {
    use pb::AvailabilityState::{InTime, Late, Missing, NotDue, UnitNotValid};
    let desk = Desk::start().await;
    let today = sharehub::time::Day::today();
    let (year, ..) = today.ymd();
    let (now, before) = (year.to_string(), (year - 1).to_string());
    let soon = (year + 1).to_string();
    let end = format!("{}-01-01", year + 2);
    desk.define(vec![pb::Indicator { due_days: 0, ..count("prompt") }]).await;
    let running = pb::ObservationEntry {
        status: pb::ObservationStatus::Provisional.into(),
        ..saw("prompt", "86", &now, "1")
    };
    desk.publish(vec![running, saw("prompt", "80", &before, "1")]).await;
    let long_ago = saw("prompt", "83", "2024", "1");
    desk.publish(vec![long_ago.clone()]).await;
    desk.publish(vec![pb::ObservationEntry { value: Some("2".to_owned()), ..long_ago }]).await;
    let units = [gso("86", ""), gso("80", ""), gso("83", "2024-12-31")];
    let request = pb::GetAvailabilityRequest {
        indicators: vec!["prompt".to_owned()],
        units: units.into_iter().flatten().collect(),
        ends_from: "2024-01-01".to_owned(),
        ends_before: end,
        consistency: None,
        ..Default::default()
    };
    let answer = desk.source.indicators().get_availability(request).await.unwrap().into_inner();
    assert_eq!(answer.judged_on, today.to_string());
    let cell = |unit: &str, period: &str| {
        let named = |it: &&pb::AvailabilityCell| {
            it.unit.as_ref().unwrap().name == unit && it.period == period
        };
        answer.cells.iter().find(named).unwrap_or_else(|| panic!("{unit} {period}"))
    };
    assert_eq!(answer.cells.len(), usize::try_from(3 * (year + 2 - 2024)).unwrap());
    let day = |text: String| sharehub::time::Day::parse(&text).unwrap().number();
    let (vinh_long, tay_ninh, ben_tre) = ("Tỉnh Vĩnh Long", "Tỉnh Tây Ninh", "Tỉnh Bến Tre");
    let table = [
        (vinh_long, now.clone(), InTime),
        (vinh_long, before.clone(), Missing),
        (vinh_long, soon.clone(), NotDue),
        (vinh_long, "2024".to_owned(), UnitNotValid),
        (tay_ninh, before, Late),
        (tay_ninh, now.clone(), NotDue),
        (ben_tre, "2024".to_owned(), Late),
        (ben_tre, now, UnitNotValid),
    ];
    for (unit, period, state) in table {
        let cell = cell(unit, &period);
        assert_eq!(cell.state(), state, "{unit} {period}");
        assert_eq!(cell.due_date, format!("{period}-12-31"));
        let late = today.number() - day(format!("{period}-12-31"));
        let late = if matches!(state, Late | Missing) { late } else { 0 };
        assert_eq!(cell.days_late, late, "{unit} {period}");
        let here = matches!(state, InTime | Late);
        assert_eq!(cell.first_published_at.is_some(), here, "{unit} {period}");
        let status = match state {
            InTime => pb::ObservationStatus::Provisional,
            Late => pb::ObservationStatus::Final,
            _ => pb::ObservationStatus::Unspecified,
        };
        assert_eq!(cell.status(), status, "{unit} {period}");
    }
    // A correction does not make the first report later.
    let first = desk.versions(&saw("prompt", "83", "2024", "")).await.pop().unwrap();
    assert_eq!(cell(ben_tre, "2024").first_published_at, first.revision.unwrap().committed_at);
}
