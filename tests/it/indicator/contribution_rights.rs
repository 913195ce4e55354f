//! Rights to contributed values: who withdraws them, who reads them, and by which agreements.
use sharehub::pb::{self, AgreementOperation as Operation, ItemOutcome as Outcome};
use tonic::{Code, Status};

use super::contributions::{
    all, cell, contributor, listed, one, publish, said, says, terms, told, versions,
};
use crate::{
    indicator::publish::partial,
    support::{
        agreements::by,
        client::{Client, Grants, agreement, gso, id, refusal},
        desk::saw,
        desk::{BEN_TRE, Desk, SOURCE, amount, batch, count, outcomes},
    },
};

#[tokio::test]
async fn a_contributor_withdraws_its_own_and_ends_with_its_agreement() {
    let desk = Desk::start().await;
    let (ioc, stats) = (contributor(&desk, "ioc").await, contributor(&desk, "stats").await);
    desk.publish(vec![said("2024", "7")]).await;
    for by in [&ioc, &stats] {
        says(by, vec![said("2024", "5")]).await;
    }
    let withdraw = async |by: &Client, year: &str| {
        let key = pb::ObservationKey {
            indicator: "doc.count".to_owned(),
            unit: gso(BEN_TRE, ""),
            period: year.to_owned(),
            ..Default::default()
        };
        let request = pb::WithdrawObservationsRequest {
            observations: vec![key],
            reason: "nhầm".to_owned(),
            ..Default::default()
        };
        let answer = by.indicators().withdraw_observations(request).await?;
        Ok::<_, Status>(outcomes(&answer.into_inner().receipt.unwrap()))
    };
    assert_eq!(refusal(withdraw(&ioc, "2023").await).1, "NOT_FOUND");
    let stood = desk.head().await;
    assert_eq!(withdraw(&ioc, "2024").await.unwrap(), [Outcome::Corrected]);
    assert_eq!(withdraw(&ioc, "2024").await.unwrap(), [Outcome::Unchanged]);
    let left = [one(SOURCE, "7", false), one("stats", "5", true)];
    assert_eq!(all(&listed(&ioc, true, None, 1).await), left);
    assert_eq!(all(&cell(&ioc, "2024", None, true).await.contributed), left[1..]);
    assert_eq!(listed(&ioc, true, Some(stood), 100).await.len(), 3);
    let tombstone = &versions(&ioc, true, 100).await[0];
    assert_eq!((told(tombstone).0.as_str(), tombstone.contributed), ("ioc", true));
    assert_eq!(tombstone.withdrawal_reason, "nhầm");
    assert_eq!(says(&ioc, vec![said("2024", "5")]).await, [Outcome::Created]);
    // The source withdraws what is its own.
    assert_eq!(withdraw(&desk.source, "2024").await.unwrap(), [Outcome::Corrected]);
    let beside = [one("ioc", "5", true), one("stats", "5", true)];
    assert_eq!(all(&listed(&ioc, true, None, 100).await), beside);

    // With the flag, or the agreement, the right goes; what was said stays.
    desk.hub.grant(terms("ioc", &["doc.*"], false)).await;
    let refused = refusal(publish(&ioc, batch(vec![said("2024", "6")])).await);
    assert_eq!(refused.1, "NOT_AUTHORITATIVE");
    assert_eq!(refusal(withdraw(&ioc, "2024").await).1, "NOT_AUTHORITATIVE");
    let revoke =
        pb::RevokeAgreementRequest { code: "stats.contributes".into(), ..Default::default() };
    desk.hub.admin().access().revoke_agreement(revoke).await.unwrap();
    let refused = refusal(publish(&stats, batch(vec![said("2024", "6")])).await);
    assert_eq!((refused.0, refused.1.as_str()), (Code::PermissionDenied, "NOT_PERMITTED"));
    assert_eq!(all(&listed(&ioc, true, None, 100).await), beside);

    // When the source changes, nothing moves: what the new one contributed stays beside until it withdraws it.
    let taken = pb::Indicator { authoritative_source: "ioc".to_owned(), ..count("doc.count") };
    assert_eq!(desk.define(vec![taken]).await.corrected, 1);
    assert_eq!(all(&listed(&ioc, true, None, 100).await), beside);
    assert_eq!(says(&ioc, vec![said("2024", "8")]).await, [Outcome::Created]);
    let shown = listed(&ioc, true, None, 100).await;
    assert_eq!(all(&shown), [vec![one("ioc", "8", false)], beside.to_vec()].concat());
    assert_eq!(withdraw(&ioc, "2024").await.unwrap(), [Outcome::Corrected]);
    assert_eq!(all(&listed(&ioc, true, None, 100).await), beside[1..]);
}

#[tokio::test]
async fn it_is_read_within_the_agreement_of_who_reads() {
    let desk = Desk::start().await;
    let ioc = contributor(&desk, "ioc").await;
    says(&ioc, vec![said("2024", "5"), saw("doc.count", "80", "2024", "6")]).await;
    let unit = async |code: &str| {
        let get = pb::GetUnitRequest { unit: gso(code, "2024-12-31"), ..Default::default() };
        let answer = desk.source.units().get_unit(get).await.unwrap().into_inner();
        id(answer.unit.unwrap().id).unwrap()
    };
    let narrow = desk.hub.system("narrow", Grants::default()).await;
    let read = agreement("narrow.read", "narrow", &[Operation::Read], by(&["doc.count"]));
    desk.hub.grant(pb::Agreement { units: vec![unit("80").await], ..read }).await;
    assert_eq!(all(&listed(&narrow, true, None, 100).await), [one("ioc", "6", true)]);
    let snapshot = pb::GetSnapshotRequest {
        units: gso(BEN_TRE, "2024-12-31").into_iter().collect(),
        indicators: vec!["doc.count".to_owned()],
        all_sources: true,
        ..Default::default()
    };
    assert_eq!(refusal(narrow.indicators().get_snapshot(snapshot).await).0, Code::NotFound);
    let versions = pb::ListRevisionsRequest {
        indicator: "doc.count".to_owned(),
        unit: gso(BEN_TRE, ""),
        period: "2024".to_owned(),
        all_sources: true,
        ..Default::default()
    };
    assert_eq!(refusal(narrow.indicators().list_revisions(versions).await).0, Code::NotFound);
    // Nor does who contributes speak of units outside its own agreement, or of what is not in it.
    let publishes = terms("ioc", &["doc.count"], true);
    desk.hub.grant(pb::Agreement { units: vec![unit("80").await], ..publishes }).await;
    let bad = vec![said("2024", "7"), saw("doc.rate", "80", "2024", "6")];
    let receipt = publish(&ioc, partial(bad)).await.unwrap();
    let reasons: Vec<_> = receipt.results.iter().map(pb::ItemResult::reason).collect();
    assert_eq!(reasons, [pb::ErrorReason::NotPermitted; 2]);
}

#[tokio::test]
async fn the_flag_is_shown_and_explained_and_refused_where_it_cannot_act() {
    let desk = Desk::start().await;
    let ioc = contributor(&desk, "ioc").await;
    let list = pb::ListAgreementsRequest::default();
    let kept = ioc.access().list_agreements(list).await.unwrap().into_inner().agreements;
    let flags: Vec<_> = kept.iter().map(|it| (it.code.as_str(), it.contributes)).collect();
    assert_eq!(flags, [("ioc.contributes", true), ("ioc.read-indicators", false)]);
    let own = pb::Indicator { authoritative_source: "ioc".to_owned(), ..amount("doc.own") };
    desk.define(vec![own, amount("water.level")]).await;
    let explain = async |method: &str| {
        let codes = ["doc.count", "doc.own", "water.level"];
        let request = pb::ExplainAccessRequest {
            method: format!("IndicatorService/{method}"),
            indicators: codes.map(str::to_owned).to_vec(),
            ..Default::default()
        };
        let told = ioc.access().explain_access(request).await.unwrap().into_inner();
        told.answered_by.into_iter().next().unwrap()
    };
    let publishing = explain("PublishObservations").await;
    assert!(publishing.agreement.unwrap().contributes);
    assert_eq!(publishing.contributed_indicators, ["doc.count"]);
    assert_eq!(publishing.left_out_indicators, ["water.level"]);
    let reading = explain("QueryObservations").await;
    assert_eq!(reading.contributed_indicators, Vec::<String>::new());
    let grant = async |agreement: pb::Agreement| {
        let request =
            pb::GrantAgreementRequest { agreement: Some(agreement), ..Default::default() };
        refusal(desk.hub.admin().access().grant_agreement(request).await)
    };
    let reader = agreement("ioc.x", "ioc", &[Operation::Read], by(&["x.*"]));
    let dossiers = pb::agreement::Dataset::Dossiers(pb::DossierDataset::default());
    let dossiers = pb::Agreement {
        dossier_codes: vec!["H61".to_owned()],
        ..agreement("ioc.x", "ioc", &[Operation::Publish], dossiers)
    };
    for wrong in [reader, dossiers] {
        let refused = grant(pb::Agreement { contributes: true, ..wrong }).await;
        assert_eq!((refused.0, refused.1.as_str()), (Code::InvalidArgument, "FIELD_INVALID"));
        assert_eq!(refused.2, ["agreement.contributes"]);
    }
}
