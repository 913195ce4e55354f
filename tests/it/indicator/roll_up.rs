//! Roll-ups over units and over time, in three geographies.
use std::collections::BTreeMap;

use sharehub::pb;
use tonic::Code;

use crate::{
    indicator::ranks::rank,
    support::{
        client::{gso, id, refusal},
        desk::{BEN_TRE, Desk, amount, count, parts, saw},
    },
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
    desk.publish(vec![saw("doc.count", "838", "2024", "3797")]).await;
    let periods = ["2024", "2023"].map(str::to_owned).to_vec();
    let figures = rolled(&desk, pb::RollUpRequest { periods, ..request() }).await;
    let own: Vec<_> =
        figures.iter().map(|it| (it.period.as_str(), it.reported.is_some())).collect();
    assert_eq!(own, [("2024", true), ("2023", false)]);
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
        direction: pb::IndicatorDirection::MoreIsBetter.into(),
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
