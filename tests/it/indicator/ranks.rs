//! Units ranked by their values or their roll-ups.
use sharehub::pb;
use tonic::Code;

use crate::support::{
    client::{gso, id, refusal},
    desk::{BEN_TRE, Desk, count, ratio, saw},
};

// === ranks ===

pub fn rank(indicator: &str, level: pb::UnitLevel) -> pb::RankUnitsRequest {
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
