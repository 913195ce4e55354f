//! Indicators through the wire: roll-ups in three geographies, ranks, availability.
use std::collections::BTreeMap;

use sharehub::pb;
use tonic::Code;

use crate::{
    hub::{gso, id, refusal},
    indicator::{BEN_TRE, Desk, amount, count, parts, ratio, saw},
};

fn sum(indicator: &str, unit: Option<pb::UnitRef>, how: pb::Geography) -> pb::RollUpRequest {
    pb::RollUpRequest {
        indicator: indicator.to_owned(),
        unit,
        periods: vec!["2024".to_owned()],
        geography: how.into(),
        ..Default::default()
    }
}

async fn rolled(desk: &Desk, request: pb::RollUpRequest) -> Vec<pb::RollUpFigure> {
    desk.source.indicators().roll_up(request).await.unwrap().into_inner().figures
}

/// The value, whether it is complete, units expected and reported.
fn told(figure: &pb::RollUpFigure) -> (Option<&str>, pb::CoverageState, i32, i32) {
    let coverage = figure.coverage.as_ref().unwrap();
    let value = figure.computed.as_ref().unwrap().value.as_deref();
    (value, coverage.state(), coverage.expected, coverage.reported)
}

#[tokio::test]
async fn one_from_each_commune_of_2024_adds_up_in_every_geography() {
    use pb::{
        CoverageState::{Complete, Incomplete},
        Geography::{AsOf, AsReported, Current},
    };
    let desk = Desk::start().await;
    let entry =
        |unit: &i64| pb::ObservationEntry { unit: id(*unit), ..saw("doc.count", "", "2024", "1") };
    let communes = desk.communes().await;
    for chunk in communes.chunks(10_000) {
        desk.publish(chunk.iter().map(entry).collect()).await;
    }
    let as_of = |it: pb::RollUpRequest| pb::RollUpRequest { as_of: "2026-01-01".to_owned(), ..it };
    let today = [("86", "354"), ("80", "280"), ("19", "280"), ("38", "547")];
    for (code, expected) in today {
        let count = expected.parse().unwrap();
        for request in
            [sum("doc.count", gso(code, ""), Current), as_of(sum("doc.count", gso(code, ""), AsOf))]
        {
            let figures = rolled(&desk, request).await;
            assert_eq!(told(&figures[0]), (Some(expected), Complete, count, count), "{code}");
            assert_eq!(figures[0].reported, None);
            let computed = figures[0].computed.as_ref().unwrap();
            assert_eq!(
                (computed.basis(), computed.status()),
                (pb::FigureBasis::Computed, pb::ObservationStatus::Final)
            );
        }
    }
    // What the unit itself says stands beside the sum, and is not mixed with it.
    desk.publish(vec![saw("doc.count", BEN_TRE, "2024", "999")]).await;
    for (code, expected) in [("83", "148"), ("80", "186"), ("06", "108")] {
        let count = expected.parse().unwrap();
        let figures = rolled(&desk, sum("doc.count", gso(code, ""), AsReported)).await;
        assert_eq!(told(&figures[0]), (Some(expected), Complete, count, count), "{code}");
        let own = figures[0].reported.clone().and_then(|it| it.figure.unwrap().value);
        assert_eq!(own.as_deref(), (code == BEN_TRE).then_some("999"));
    }

    // Ba Dinh received Truc Bach whole, and parts of nine others: these are left out by name.
    let figures = rolled(&desk, sum("doc.count", gso("00004", ""), Current)).await;
    let (value, state, expected, reported) = told(&figures[0]);
    assert_eq!((value, state, expected, reported), (Some("2"), Incomplete, 10, 2));
    let coverage = figures[0].coverage.clone().unwrap();
    assert_eq!(coverage.left_out_total, 8);
    let why: BTreeMap<_, _> =
        coverage.left_out.iter().map(|it| (it.unit.clone().unwrap().name, it.reason())).collect();
    assert!(why.values().all(|it| *it == pb::LeftOutReason::SplitWithoutWeight), "{why:?}");
    assert!(why.contains_key("Phường Ngọc Hà"), "{why:?}");

    // A unit that does not stand at the date of the geography.
    let gone = refusal(
        desk.source.indicators().roll_up(sum("doc.count", gso("838", "2024-12-31"), Current)).await,
    );
    assert_eq!(gone, (Code::InvalidArgument, "FIELD_INVALID".to_owned(), vec!["unit".to_owned()]));
}

#[tokio::test]
async fn nothing_reported_is_no_zero_and_who_is_missing_is_named() {
    let desk = Desk::start().await;
    let request = || sum("doc.count", gso("838", "2024-12-31"), pb::Geography::AsReported);
    let figures = rolled(&desk, request()).await;
    assert_eq!(told(&figures[0]), (None, pb::CoverageState::Incomplete, 13, 0));
    assert_eq!(figures[0].coverage.as_ref().unwrap().left_out.len(), 13);
    // The same period twice is answered twice, each time with what the unit itself reported.
    desk.publish(vec![saw("doc.count", "838", "2024", "3797")]).await;
    let periods = ["2024", "2023", "2024"].map(str::to_owned).to_vec();
    let figures = rolled(&desk, pb::RollUpRequest { periods, ..request() }).await;
    let own: Vec<_> =
        figures.iter().map(|it| (it.period.as_str(), it.reported.is_some())).collect();
    assert_eq!(own, [("2024", true), ("2023", false), ("2024", true)]);
}

#[tokio::test]
async fn a_district_and_its_communes_are_never_both_counted() {
    let desk = Desk::start().await;
    desk.publish(vec![
        saw("doc.count", "838", "2024", "100"),
        saw("doc.count", "28889", "2024", "7"),
    ])
    .await;
    let figures =
        rolled(&desk, sum("doc.count", gso("83", "2024-12-31"), pb::Geography::AsReported)).await;
    assert_eq!(told(&figures[0]), (Some("100"), pb::CoverageState::Incomplete, 148, 13));
    // The district's value restates to the province that received all of it.
    let figures = rolled(&desk, sum("doc.count", gso("86", ""), pb::Geography::Current)).await;
    assert_eq!(told(&figures[0]), (Some("100"), pb::CoverageState::Incomplete, 354, 13));
}

#[tokio::test]
async fn a_ratio_adds_up_by_its_components_and_what_has_none_is_left_out() {
    let desk = Desk::start().await;
    let district = async |unit| {
        let request = sum("doc.rate", gso(unit, "2024-12-31"), pb::Geography::AsReported);
        rolled(&desk, request).await.remove(0)
    };
    let entries = vec![
        parts("838", "2024", ("1", "3"), ""),
        parts("829", "2024", ("1", "1"), "100"),
        saw("doc.rate", "831", "2024", "50"),
        pb::ObservationEntry {
            status: pb::ObservationStatus::NotAssessed.into(),
            ..saw("doc.rate", "832", "2024", "")
        },
    ];
    desk.publish(entries).await;
    let figure = district("83").await;
    let computed = figure.computed.clone().unwrap();
    let told =
        (computed.value.as_deref(), computed.numerator.as_deref(), computed.denominator.as_deref());
    assert_eq!(told, (Some("50"), Some("2"), Some("4")));
    let coverage = figure.coverage.unwrap();
    let why = |code: &str| {
        let found = coverage.left_out.iter().find(|it| it.unit.as_ref().unwrap().code == code);
        found.map(pb::LeftOutUnit::reason)
    };
    assert_eq!(why("831"), Some(pb::LeftOutReason::NoComponents));
    assert_eq!(why("832"), Some(pb::LeftOutReason::NoValue));
    assert_eq!(why("838"), None);
    assert_eq!(coverage.state(), pb::CoverageState::Incomplete);
}

#[tokio::test]
async fn a_longer_period_is_combined_from_its_parts_by_the_rule_over_time() {
    use pb::CoverageState::{Complete, Incomplete};
    let desk = Desk::start().await;
    let quarterly = |code: &str, rule: pb::TimeRule| pb::Indicator {
        frequency: pb::ReportFrequency::Quarter.into(),
        time_rule: rule.into(),
        collection_level: pb::UnitLevel::Province.into(),
        direction: pb::IndicatorDirection::Neither.into(),
        ..amount(code)
    };
    let rules = [
        ("q.sum", pb::TimeRule::Sum),
        ("q.last", pb::TimeRule::Last),
        ("q.mean", pb::TimeRule::Mean),
        ("q.none", pb::TimeRule::None),
    ];
    desk.define(rules.map(|(code, rule)| quarterly(code, rule)).to_vec()).await;
    let districts = ["829", "831", "832", "833", "834", "835", "836", "837", "838"];
    for (code, _) in rules {
        let of = |quarter: usize| {
            districts.map(|it| saw(code, it, &format!("2024-Q{quarter}"), &quarter.to_string()))
        };
        desk.publish((1..=4).flat_map(of).collect()).await;
    }
    let year = async |code: &str, period: &str| {
        let request = sum(code, gso(BEN_TRE, "2024-12-31"), pb::Geography::AsReported);
        let request = pb::RollUpRequest { periods: vec![period.to_owned()], ..request };
        desk.source.indicators().roll_up(request).await.map(|it| it.into_inner().figures.remove(0))
    };
    for (code, expected) in [("q.sum", "90"), ("q.last", "36"), ("q.mean", "22.5")] {
        let figure = year(code, "2024").await.unwrap();
        let computed = figure.computed.unwrap();
        assert_eq!(computed.value.as_deref(), Some(expected), "{code}");
    }
    let refused = refusal(year("q.none", "2024").await);
    assert_eq!((refused.0, refused.1.as_str()), (Code::FailedPrecondition, "NOT_AGGREGABLE"));
    // Collected from districts, each of the nine is expected.
    desk.define(vec![pb::Indicator {
        collection_level: pb::UnitLevel::District.into(),
        ..quarterly("q.sum", pb::TimeRule::Sum)
    }])
    .await;
    let whole = year("q.sum", "2024").await.unwrap();
    assert_eq!(told(&whole), (Some("90"), Complete, 9, 9));
    let half = year("q.sum", "2023").await.unwrap();
    assert_eq!(told(&half).1, Incomplete);
    assert_eq!(half.computed.unwrap().value, None);
    desk.publish(vec![saw("q.sum", "838", "2024-Q2", "12")]).await;
    let changed = year("q.sum", "2024-Q2").await.unwrap();
    assert!(changed.definition_changed, "one value is of version 2");
    assert_eq!(told(&changed), (Some("28"), Complete, 9, 9));
}

#[tokio::test]
async fn what_does_not_add_up_is_refused() {
    let desk = Desk::start().await;
    let none = pb::UnitRule::None.into();
    desk.define(vec![pb::Indicator { unit_rule: none, ..count("alone") }]).await;
    let request = sum("alone", gso("86", ""), pb::Geography::Current);
    let (code, reason, _) = refusal(desk.source.indicators().roll_up(request).await);
    assert_eq!((code, reason.as_str()), (Code::FailedPrecondition, "NOT_AGGREGABLE"));
    let rank = pb::RankUnitsRequest { rolled_up: true, ..rank("alone", pb::UnitLevel::Province) };
    let (code, reason, _) = refusal(desk.source.indicators().rank_units(rank).await);
    assert_eq!((code, reason.as_str()), (Code::FailedPrecondition, "NOT_AGGREGABLE"));
}

// === ranks ===

fn rank(indicator: &str, level: pb::UnitLevel) -> pb::RankUnitsRequest {
    pb::RankUnitsRequest {
        indicator: indicator.to_owned(),
        period: "2024".to_owned(),
        level: level.into(),
        ..Default::default()
    }
}

#[tokio::test]
async fn equal_values_share_a_rank_and_units_without_a_value_have_none() {
    let desk = Desk::start().await;
    let less = pb::IndicatorDirection::LessIsBetter.into();
    let neither = pb::IndicatorDirection::Neither.into();
    let codes = [
        pb::Indicator { direction: less, ..ratio("late") },
        pb::Indicator { direction: neither, ..count("size") },
    ];
    desk.define(codes.to_vec()).await;
    let values = [("829", "90"), ("831", "95.5"), ("832", "90.0"), ("833", "9"), ("834", "100")];
    for code in ["doc.rate", "late"] {
        desk.publish(values.map(|(unit, value)| saw(code, unit, "2024", value)).to_vec()).await;
    }
    let unassessed = saw("doc.rate", "835", "2024", "");
    let status = pb::ObservationStatus::NotAssessed.into();
    desk.publish(vec![pb::ObservationEntry { status, ..unassessed }]).await;
    let below = gso(BEN_TRE, "2024-12-31");
    let ranked =
        async |request| desk.source.indicators().rank_units(request).await.unwrap().into_inner();
    let places = |told: &pb::RankUnitsResponse| -> Vec<_> {
        told.ranked.iter().map(|it| (it.rank, it.unit.clone().unwrap().code)).collect()
    };
    let place = |rank: i32, code: &str| (rank, code.to_owned());
    let best =
        pb::RankUnitsRequest { below: below.clone(), ..rank("doc.rate", pb::UnitLevel::District) };
    let best = ranked(best).await;
    let expected =
        [place(1, "834"), place(2, "831"), place(3, "829"), place(3, "832"), place(5, "833")];
    assert_eq!(places(&best), expected);
    let rest: Vec<_> =
        best.unranked.iter().map(|it| (it.rank, it.unit.clone().unwrap().code)).collect();
    assert_eq!(rest, [place(0, "835"), place(0, "836"), place(0, "837"), place(0, "838")]);
    assert_eq!(
        best.unranked[0].figure.as_ref().unwrap().status(),
        pb::ObservationStatus::NotAssessed
    );
    let least = pb::RankUnitsRequest { below, ..rank("late", pb::UnitLevel::District) };
    let expected =
        [place(1, "833"), place(2, "829"), place(2, "832"), place(4, "831"), place(5, "834")];
    assert_eq!(places(&ranked(least).await), expected);
    let provinces = ranked(rank("doc.rate", pb::UnitLevel::Province)).await;
    assert_eq!((provinces.ranked.len(), provinces.unranked.len()), (0, 63));
    let refused =
        refusal(desk.source.indicators().rank_units(rank("size", pb::UnitLevel::Province)).await);
    assert_eq!(
        refused,
        (Code::InvalidArgument, "FIELD_INVALID".to_owned(), vec!["indicator".to_owned()])
    );
}

#[tokio::test]
async fn units_are_ranked_by_their_roll_ups_with_their_coverage() {
    let desk = Desk::start().await;
    let communes = |district: &str| pb::ListUnitsRequest {
        date: "2024-12-31".to_owned(),
        level: pb::UnitLevel::Commune.into(),
        below: gso(district, ""),
        ..Default::default()
    };
    let all = desk.source.units().list_units(communes("838")).await.unwrap().into_inner().units;
    let entries = all
        .iter()
        .map(|it| pb::ObservationEntry { unit: id(it.id), ..saw("doc.count", "", "2024", "2") });
    desk.publish(entries.collect()).await;
    // What the district itself reported is not what it is ranked by.
    desk.publish(vec![
        saw("doc.count", "838", "2024", "1"),
        saw("doc.count", "829", "2024", "500"),
    ])
    .await;
    let below = gso(BEN_TRE, "2024-12-31");
    let request = pb::RankUnitsRequest {
        below,
        rolled_up: true,
        ..rank("doc.count", pb::UnitLevel::District)
    };
    let answer = desk.source.indicators().rank_units(request).await.unwrap().into_inner();
    let [only] = answer.ranked.as_slice() else { panic!("one has a sum: {answer:?}") };
    assert_eq!((only.rank, only.unit.as_ref().unwrap().code.as_str()), (1, "838"));
    assert_eq!(only.figure.as_ref().unwrap().value.as_deref(), Some("26"));
    assert_eq!(only.coverage.as_ref().unwrap().state(), pb::CoverageState::Complete);
    assert_eq!(answer.unranked.len(), 8);
    assert!(
        answer.unranked.iter().all(|it| it.figure.as_ref().is_none_or(|it| it.value.is_none()))
    );
}

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
    desk.publish(vec![saw("prompt", "86", &now, "1"), saw("prompt", "80", &before, "1")]).await;
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
        let status =
            if here { pb::ObservationStatus::Final } else { pb::ObservationStatus::Unspecified };
        assert_eq!(cell.status(), status, "{unit} {period}");
    }
    // A correction does not make the first report later.
    let first = desk.versions(&saw("prompt", "83", "2024", "")).await.pop().unwrap();
    assert_eq!(cell(ben_tre, "2024").first_published_at, first.revision.unwrap().committed_at);
}
