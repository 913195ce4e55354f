//! Indicators through the wire: who may publish, and what exists for whom.
use sharehub::pb;
use tonic::Code;

use crate::support::{
    client::{Client, Grants, all_indicators, gso, refusal},
    desk::{BEN_TRE, Desk, batch, rejected, saw},
};

#[tokio::test]
async fn only_the_authoritative_source_with_a_grant_publishes() {
    let desk = Desk::start().await;
    let request = batch(vec![saw("doc.count", BEN_TRE, "2024", "5")]);
    let other = desk.hub.system("other", all_indicators()).await;
    let publish = async |who: &Client, allow_partial| {
        let request = pb::PublishObservationsRequest { allow_partial, ..request.clone() };
        who.indicators().publish_observations(request).await.map(|it| it.into_inner().receipt)
    };
    let receipt = publish(&other, true).await.unwrap().unwrap();
    assert_eq!(rejected(&receipt), ("NOT_AUTHORITATIVE", vec!["indicator"]));
    let (code, reason, fields) = refusal(publish(&other, false).await);
    assert_eq!((code, reason.as_str()), (Code::PermissionDenied, "NOT_AUTHORITATIVE"));
    assert_eq!(fields, ["observations[0].indicator"]);

    let word = |it: &str| vec![it.to_owned()];
    let (publish_indicators, read_indicators) = (word("water.*"), word("doc.*"));
    let grants = Grants { publish_indicators, read_indicators, ..Default::default() };
    let reader = desk.hub.system("reader", grants).await;
    let receipt = publish(&reader, true).await.unwrap().unwrap();
    assert_eq!(rejected(&receipt), ("NOT_PERMITTED", vec!["indicator"]));
    let grants = Grants { read_indicators: word("*"), ..Default::default() };
    let reader = desk.hub.system("reader2", grants).await;
    assert_eq!(refusal(publish(&reader, false).await).1, "NOT_PERMITTED");
    let target = pb::TargetEntry { indicator: "doc.count".to_owned(), ..Default::default() };
    let targets = pb::PublishTargetsRequest { targets: vec![target], ..Default::default() };
    assert_eq!(refusal(reader.indicators().publish_targets(targets).await).1, "NOT_PERMITTED");
}

#[tokio::test]
async fn what_is_not_shared_does_not_exist() {
    let desk = Desk::start().await;
    desk.publish(vec![saw("doc.count", BEN_TRE, "2024", "5")]).await;
    let own = vec!["water.*".to_owned()];
    let grants = || Grants {
        read_indicators: own.clone(),
        publish_indicators: own.clone(),
        ..Default::default()
    };
    let water = desk.hub.system("so-nn", grants()).await;
    let mut rpc = water.indicators();
    let code = || "doc.count".to_owned();
    let (unit, units) = (gso(BEN_TRE, "2024-12-31"), vec![gso(BEN_TRE, "2024-12-31").unwrap()]);
    let mut told = Vec::new();
    let get = pb::GetIndicatorRequest { code: code(), ..Default::default() };
    told.push(refusal(rpc.get_indicator(get).await));
    let snapshot = pb::GetSnapshotRequest {
        units: units.clone(),
        indicators: vec![code()],
        ..Default::default()
    };
    told.push(refusal(rpc.get_snapshot(snapshot).await));
    let query = pb::QueryObservationsRequest { indicators: vec![code()], ..Default::default() };
    told.push(refusal(rpc.query_observations(query).await));
    let query = pb::QueryTargetsRequest { indicators: vec![code()], ..Default::default() };
    told.push(refusal(rpc.query_targets(query).await));
    let periods = vec!["2024".to_owned()];
    let sum = pb::RollUpRequest {
        indicator: code(),
        unit: unit.clone(),
        periods,
        geography: pb::Geography::AsReported.into(),
        ..Default::default()
    };
    told.push(refusal(rpc.roll_up(sum).await));
    let level = pb::UnitLevel::Province.into();
    let (indicator, period) = (code(), "2024".to_owned());
    let rank = pb::RankUnitsRequest { indicator, period, level, ..Default::default() };
    told.push(refusal(rpc.rank_units(rank).await));
    let (indicator, period) = (code(), "2024".to_owned());
    let list = pb::ListRevisionsRequest { indicator, unit, period, ..Default::default() };
    told.push(refusal(rpc.list_revisions(list).await));
    let (ends_from, ends_before) = ("2024-01-01".to_owned(), "2025-01-01".to_owned());
    let indicators = vec![code()];
    let avail = pb::GetAvailabilityRequest {
        indicators,
        units,
        ends_from,
        ends_before,
        consistency: None,
        ..Default::default()
    };
    told.push(refusal(rpc.get_availability(avail).await));
    for (n, (code, reason, _)) in told.iter().enumerate() {
        assert_eq!((*code, reason.as_str()), (Code::NotFound, "NOT_FOUND"), "question {n}");
    }
    let request = batch(vec![saw("doc.count", BEN_TRE, "2024", "5")]);
    let request = pb::PublishObservationsRequest { allow_partial: true, ..request };
    let receipt = rpc.publish_observations(request).await.unwrap().into_inner().receipt.unwrap();
    assert_eq!(rejected(&receipt), ("NOT_FOUND", vec!["indicator"]));
    let listed = rpc.list_indicators(pb::ListIndicatorsRequest::default()).await.unwrap();
    assert!(listed.into_inner().indicators.is_empty());
    let all = rpc.query_observations(pb::QueryObservationsRequest::default()).await.unwrap();
    assert!(all.into_inner().observations.is_empty());
}
