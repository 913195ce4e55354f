//! Agreements through the wire: which one answers a call, how far it goes, and when it no longer does.
use std::time::Duration;

use sharehub::pb::{
    self, AgreementOperation as Operation, agreement::Dataset, watch_request::From,
};
use tokio::time;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

use crate::support::{
    agreements::{ask, by, from_now},
    client::{Client, Grants, PURPOSE, agreement, gso, id, refusal},
    desk::{Desk, count, saw},
    history::{History, indicators},
};

/// A question that names no purpose.
async fn ask_for_nothing(client: &Client) -> Result<pb::QueryObservationsResponse, Status> {
    ask(client, "-").await
}

fn fact(status: &Status, key: &str) -> String {
    let info = status.get_details_error_info().unwrap();
    info.metadata.get(key).cloned().unwrap_or_default()
}

async fn revoke(desk: &Desk, code: &str) -> pb::Receipt {
    let request = pb::RevokeAgreementRequest { code: code.to_owned(), ..Default::default() };
    let answer = desk.hub.admin().access().revoke_agreement(request).await.unwrap();
    answer.into_inner().receipt.unwrap()
}

async fn granted(
    desk: &Desk,
    agreement: pb::Agreement,
) -> Result<pb::GrantAgreementResponse, Status> {
    let agreement = Some(agreement);
    let request = pb::GrantAgreementRequest { agreement, ..Default::default() };
    Ok(desk.hub.admin().access().grant_agreement(request).await?.into_inner())
}

// === which agreement ===

#[tokio::test]
async fn exactly_one_agreement_answers_and_they_never_add_up() {
    let desk = Desk::start().await;
    desk.define(vec![count("water.count")]).await;
    desk.publish(vec![saw("doc.count", "83", "2024", "5"), saw("water.count", "83", "2024", "6")])
        .await;
    let ioc = desk.hub.system("ioc", Grants::default()).await;
    assert_eq!(refusal(ask(&ioc, PURPOSE).await).1, "NOT_PERMITTED", "denied by default");
    let read = [Operation::Read];
    let doc = agreement("ioc.doc", "ioc", &read, by(&["doc.*"]));
    desk.hub.grant(pb::Agreement { purpose: "walls".to_owned(), ..doc.clone() }).await;
    let codes = |it: pb::QueryObservationsResponse| -> Vec<String> {
        it.observations.into_iter().map(|it| it.indicator).collect()
    };
    // With one there is nothing to choose.
    assert_eq!(codes(ask_for_nothing(&ioc).await.unwrap()), ["doc.count"]);
    let water = agreement("ioc.water", "ioc", &read, by(&["water.*"]));
    desk.hub.grant(pb::Agreement { purpose: "floods".to_owned(), ..water.clone() }).await;
    let status = ask_for_nothing(&ioc).await.unwrap_err();
    assert_eq!(fact(&status, "purposes"), "floods, walls");
    assert_eq!(
        refusal(Err::<(), _>(status)),
        (Code::FailedPrecondition, "PURPOSE_REQUIRED".to_owned(), vec![])
    );
    assert_eq!(codes(ask(&ioc, "walls").await.unwrap()), ["doc.count"]);
    assert_eq!(codes(ask(&ioc, "floods").await.unwrap()), ["water.count"]);
    // For another purpose there is none, and the other agreement's data does not exist under the one.
    let status = ask(&ioc, "curiosity").await.unwrap_err();
    assert_eq!(fact(&status, "purpose"), "curiosity");
    assert_eq!(status.code(), Code::PermissionDenied);
    let request = pb::QueryObservationsRequest {
        indicators: vec!["water.count".to_owned()],
        ..Default::default()
    };
    let mut request = Request::new(request);
    request.metadata_mut().insert("sharehub-purpose", "walls".parse().unwrap());
    let (code, ..) = refusal(ioc.indicators().query_observations(request).await);
    assert_eq!(code, Code::NotFound);
    let (code, _, fields) = refusal(ask(&ioc, "No Code").await);
    assert_eq!(
        (code, fields),
        (Code::InvalidArgument, vec![r#"metadata["sharehub-purpose"]"#.to_owned()])
    );
    // What it may know of is in all of them.
    let list = ioc.indicators().list_indicators(pb::ListIndicatorsRequest::default()).await;
    let known = list.unwrap().into_inner().indicators.into_iter().map(|it| it.code);
    assert_eq!(known.collect::<Vec<_>>(), ["doc.count", "doc.rate", "water.count"]);

    // Another one for the same purpose, kind and operation, at the same time, is refused; at another time it is not.
    let other = pb::Agreement { purpose: "walls".to_owned(), ..water.clone() };
    let other = pb::Agreement { code: "ioc.other".to_owned(), ..other };
    let status = granted(&desk, other.clone()).await.unwrap_err();
    assert_eq!(fact(&status, "agreement"), "ioc.doc");
    assert_eq!(refusal(Err::<(), _>(status)).1, "AGREEMENT_OVERLAPS");
    let operations = vec![Operation::Publish.into()];
    granted(&desk, pb::Agreement { operations, ..other.clone() }).await.unwrap();
    let valid_from = doc.valid_before;
    let valid_before = Some(prost_types::Timestamp { seconds: 2_000_000_000, nanos: 0 });
    desk.hub.grant(pb::Agreement { valid_from, valid_before, ..other.clone() }).await;
    // And one in place of a revoked one.
    revoke(&desk, "ioc.other").await;
    revoke(&desk, "ioc.doc").await;
    granted(&desk, pb::Agreement { code: "ioc.new".to_owned(), ..other }).await.unwrap();
    assert_eq!(codes(ask(&ioc, "walls").await.unwrap()), ["water.count"]);
}

#[tokio::test]
async fn an_agreement_holds_from_its_beginning_until_its_end_also_for_open_watches() {
    let desk = Desk::start().await;
    let ioc = desk.hub.system("ioc", Grants::default()).await;
    let operations = [Operation::Read, Operation::Watch];
    let one = pb::Agreement {
        valid_from: from_now(2),
        valid_before: from_now(5),
        ..agreement("ioc.one", "ioc", &operations, by(&["*"]))
    };
    desk.hub.grant(one).await;
    assert_eq!(refusal(ask(&ioc, PURPOSE).await).1, "NOT_PERMITTED");
    let last = time::Instant::now() + Duration::from_secs(20);
    while ask(&ioc, PURPOSE).await.is_err() {
        assert!(time::Instant::now() < last, "it does not begin");
        time::sleep(Duration::from_millis(20)).await;
    }
    let mut history = History::of(vec![indicators(&["*"])]);
    let mut watch = history.watch(&ioc, Some(From::Now(true))).await.unwrap();
    history.until(&mut watch, 1).await;
    let status = loop {
        match time::timeout_at(last, watch.message()).await.expect("the watch ends") {
            Ok(message) => history.take(message.expect("it does not end well")),
            Err(status) => break status,
        }
    };
    let now = from_now(0).unwrap();
    assert_eq!(refusal(Err::<(), _>(status)).1, "NOT_PERMITTED");
    assert_eq!(refusal(ask(&ioc, PURPOSE).await).1, "NOT_PERMITTED");
    let lost = history.changes.iter().filter(|it| it.r#type() == pb::FeedChangeType::AccessLost);
    assert_eq!(lost.count(), 2, "{:?}", history.changes);
    let list = pb::ListAgreementsRequest { system: "ioc".to_owned(), ..Default::default() };
    let ended = pb::ListAgreementsRequest { with_ended: true, ..list.clone() };
    let mut access = desk.hub.admin().access();
    let listed = access.list_agreements(list).await.unwrap().into_inner().agreements;
    assert!(listed.is_empty());
    let listed = access.list_agreements(ended).await.unwrap().into_inner().agreements;
    let until = listed[0].valid_before.unwrap();
    let late = now.seconds - until.seconds;
    assert!((0..=2).contains(&late), "the watch ended {late} s late");
}

// === units ===

/// The units 83 and 80 by their ids, what was said of both, and a system with an agreement about the first.
async fn half_open() -> (Desk, Client, i64, i64) {
    let desk = Desk::start().await;
    let by_code = async |code: &str| {
        let get = pb::GetUnitRequest { unit: gso(code, "2024-12-31"), ..Default::default() };
        desk.source.units().get_unit(get).await.unwrap().into_inner().unit.unwrap().id
    };
    let (inside, outside) = (by_code("83").await, by_code("80").await);
    let said = vec![saw("doc.count", "83", "2024", "5"), saw("doc.count", "80", "2024", "6")];
    desk.publish(said).await;
    let target = |unit: &str| pb::TargetEntry {
        indicator: "doc.count".to_owned(),
        unit: gso(unit, ""),
        period: "2024".to_owned(),
        comparison: pb::TargetComparison::AtLeast.into(),
        value: Some("5".to_owned()),
        ..Default::default()
    };
    let targets = pb::PublishTargetsRequest {
        targets: vec![target("83"), target("80")],
        ..Default::default()
    };
    desk.source.indicators().publish_targets(targets).await.unwrap();
    let ioc = desk.hub.system("ioc", Grants::default()).await;
    let operations = [Operation::Read, Operation::Watch];
    let one = agreement("ioc.one", "ioc", &operations, by(&["*"]));
    desk.hub.grant(pb::Agreement { units: vec![id(inside).unwrap()], ..one }).await;
    (desk, ioc, inside, outside)
}

#[tokio::test]
async fn lists_are_of_an_agreements_units_alone() {
    let (_desk, ioc, inside, _) = half_open().await;
    let mut rpc = ioc.indicators();
    let all = ask(&ioc, PURPOSE).await.unwrap().observations;
    let units: Vec<_> = all.iter().map(|it| it.unit.as_ref().unwrap().id).collect();
    assert_eq!(units, [inside]);
    let targets = rpc.query_targets(pb::QueryTargetsRequest::default()).await.unwrap();
    assert_eq!(targets.into_inner().targets.len(), 1);
    let mut export = rpc
        .export_observations(pb::ExportObservationsRequest::default())
        .await
        .unwrap()
        .into_inner();
    let mut exported = 0;
    while let Some(page) = export.message().await.unwrap() {
        exported += page.observations.len();
    }
    assert_eq!(exported, 1);
    let rank = pb::RankUnitsRequest {
        indicator: "doc.count".to_owned(),
        period: "2024".to_owned(),
        level: pb::UnitLevel::Province.into(),
        ..Default::default()
    };
    let ranked = rpc.rank_units(rank).await.unwrap().into_inner();
    let names: Vec<_> = ranked.ranked.iter().map(|it| it.unit.as_ref().unwrap().id).collect();
    assert_eq!((names, ranked.unranked.len()), (vec![inside], 0));
}

#[tokio::test]
async fn a_unit_outside_an_agreement_does_not_exist_to_any_question() {
    let (_desk, ioc, inside, outside) = half_open().await;
    let mut rpc = ioc.indicators();
    let named = |unit| vec![id(unit).unwrap()];
    let doc = || vec!["doc.count".to_owned()];
    for (unit, fine) in [(inside, true), (outside, false)] {
        let mut told = Vec::new();
        let query = pb::QueryObservationsRequest { units: named(unit), ..Default::default() };
        told.push(rpc.query_observations(query).await.map(drop));
        let query = pb::QueryTargetsRequest { units: named(unit), ..Default::default() };
        told.push(rpc.query_targets(query).await.map(drop));
        let export = pb::ExportObservationsRequest { units: named(unit), ..Default::default() };
        told.push(rpc.export_observations(export).await.map(drop));
        let snapshot =
            pb::GetSnapshotRequest { units: named(unit), indicators: doc(), ..Default::default() };
        told.push(rpc.get_snapshot(snapshot).await.map(drop));
        let sum = pb::RollUpRequest {
            indicator: "doc.count".to_owned(),
            unit: id(unit),
            periods: vec!["2024".to_owned()],
            geography: pb::Geography::AsReported.into(),
            ..Default::default()
        };
        told.push(rpc.roll_up(sum).await.map(drop));
        let rank = pb::RankUnitsRequest {
            indicator: "doc.count".to_owned(),
            period: "2024".to_owned(),
            below: id(unit),
            level: pb::UnitLevel::District.into(),
            ..Default::default()
        };
        told.push(rpc.rank_units(rank).await.map(drop));
        let list = pb::ListRevisionsRequest {
            indicator: "doc.count".to_owned(),
            unit: id(unit),
            period: "2024".to_owned(),
            ..Default::default()
        };
        told.push(rpc.list_revisions(list).await.map(drop));
        let avail = pb::GetAvailabilityRequest {
            indicators: doc(),
            units: named(unit),
            ends_from: "2024-01-01".to_owned(),
            ends_before: "2025-01-01".to_owned(),
            consistency: None,
            ..Default::default()
        };
        told.push(rpc.get_availability(avail).await.map(drop));
        for (question, told) in told.into_iter().enumerate() {
            match fine {
                true => assert!(told.is_ok(), "question {question}: {told:?}"),
                false => assert_eq!(refusal(told).1, "NOT_FOUND", "question {question}"),
            }
        }
    }
}

#[tokio::test]
async fn a_watch_is_of_an_agreements_units_alone() {
    let (desk, ioc, ..) = half_open().await;
    // A watch begins with the same, and goes on so.
    let mut history = History::of(vec![indicators(&["*"])]);
    let mut watch = history.watch(&ioc, Some(From::Beginning(true))).await.unwrap();
    // No time, number or hash holds it by chance.
    let unseen = "987654321987654";
    let said = vec![saw("doc.count", "83", "2023", "7"), saw("doc.count", "80", "2023", unseen)];
    let told = desk.publish(said).await;
    history.until(&mut watch, told.revision.unwrap().number).await;
    let told = format!("{:?} {:?}", history.changes, history.copy);
    assert!(!told.contains(unseen), "{told}");
    let is_data = |it: &&String| it.starts_with("observation") || it.starts_with("target");
    assert_eq!(history.copy.keys().filter(is_data).count(), 3, "{:?}", history.copy);
}

#[tokio::test]
async fn what_is_published_outside_an_agreement_is_refused_item_by_item() {
    let desk = Desk::start().await;
    let mut units = desk.source.units();
    let get = pb::GetUnitRequest { unit: gso("83", "2024-12-31"), ..Default::default() };
    let inside = units.get_unit(get).await.unwrap().into_inner().unit.unwrap().id;
    let publish = format!("{}.publish-indicators", crate::support::desk::SOURCE);
    let narrow = agreement(
        &publish,
        crate::support::desk::SOURCE,
        &[Operation::Publish],
        by(&["doc.count"]),
    );
    desk.hub.grant(pb::Agreement { units: vec![id(inside).unwrap()], ..narrow }).await;
    let said = vec![
        saw("doc.count", "83", "2024", "5"),
        saw("doc.count", "80", "2024", "6"),
        saw("doc.rate", "83", "2024", "7"),
    ];
    let request = crate::indicator::publish::partial(said);
    let answer = desk.source.indicators().publish_observations(request).await.unwrap();
    let receipt = answer.into_inner().receipt.unwrap();
    let told: Vec<_> = receipt
        .results
        .iter()
        .map(|it| {
            (it.outcome(), it.violations.iter().map(|it| it.field.as_str()).collect::<Vec<_>>())
        })
        .collect();
    assert_eq!(
        told,
        [
            (pb::ItemOutcome::Created, vec![]),
            (pb::ItemOutcome::Rejected, vec!["unit"]),
            (pb::ItemOutcome::Rejected, vec!["indicator"]),
        ]
    );
}

#[tokio::test]
async fn personal_data_is_shown_to_a_certificate_only() {
    let desk = Desk::start().await;
    let keyed = desk.hub.system("ioc", Grants::default()).await;
    let certified = desk.hub.by_certificate("ioc").await;
    let all = Dataset::Dossiers(pb::DossierDataset::default());
    let none = agreement("ioc.one", "ioc", &[Operation::Read, Operation::Watch], all);
    let masked =
        pb::Agreement { personal_data: pb::PersonalDataTier::Masked.into(), ..none.clone() };
    desk.hub.grant(none.clone()).await;
    let list = async |by: &Client| {
        by.dossiers().list_dossiers(pb::ListDossiersRequest::default()).await.map(drop)
    };
    let explain = async |by: &Client, system: &str| {
        let ask = pb::ExplainAccessRequest {
            system: system.to_owned(),
            method: "DossierService/ListDossiers".to_owned(),
            purpose: PURPOSE.to_owned(),
            ..Default::default()
        };
        by.access().explain_access(ask).await.unwrap().into_inner()
    };
    list(&keyed).await.unwrap();
    assert!(!explain(&keyed, "").await.answered_by[0].certificate_required);
    let filter = pb::WatchFilter {
        about: Some(pb::watch_filter::About::Dossiers(pb::DossierFilter::default())),
    };
    let mut open = Vec::new();
    for by in [&keyed, &certified] {
        let mut history = History::of(vec![filter.clone()]);
        let watch = history.watch(by, Some(From::Now(true))).await.unwrap();
        open.push((history, watch));
    }
    desk.hub.grant(masked).await;
    let refused = refusal(list(&keyed).await);
    assert_eq!((refused.0, refused.1.as_str()), (Code::PermissionDenied, "CERTIFICATE_REQUIRED"));
    list(&certified).await.unwrap();
    let told = explain(&keyed, "").await;
    assert_eq!(told.refusal.unwrap().reason(), pb::ErrorReason::CertificateRequired);
    for told in [explain(&certified, "").await, explain(&desk.hub.admin(), "ioc").await] {
        assert!(told.is_allowed && told.answered_by[0].certificate_required, "{told:?}");
    }
    // A watch that was opened by a key when nothing personal was shown does not see it either.
    let [(_, mut by_key), (_, mut by_certificate)] = open.try_into().ok().unwrap();
    let is_lost = loop {
        match by_key.message().await {
            Ok(Some(it)) if format!("{it:?}").contains("AccessLost") => break true,
            Ok(Some(_)) => {}
            Ok(None) => break false,
            Err(_) => break true,
        }
    };
    assert!(is_lost, "the watch ended without a word");
    let first = by_certificate.message().await.unwrap().unwrap();
    assert!(!format!("{first:?}").contains("AccessLost"), "{first:?}");
    // Taken back, the key is answered again.
    desk.hub.grant(none).await;
    list(&keyed).await.unwrap();
}

// === bad agreements ===

#[tokio::test]
async fn a_bad_agreement_is_refused_with_every_field() {
    let desk = Desk::start().await;
    let bad = pb::Agreement {
        code: "A".to_owned(),
        system: String::new(),
        purpose: "Bảng".to_owned(),
        title: " ".to_owned(),
        operations: vec![9],
        document: Some(pb::AgreementDocument { number: "1".to_owned(), sha256: "x".to_owned() }),
        dataset: Some(by(&["A"])),
        units: vec![pb::UnitRef::default()],
        personal_data: 9,
        limits: vec![
            pb::CallLimit { calls: 0, per: 1 },
            pb::CallLimit { calls: 1, per: 1 },
            pb::CallLimit { calls: 1, per: 0 },
        ],
        ..Default::default()
    };
    let (code, _, fields) = refusal(granted(&desk, bad).await);
    assert_eq!(code, Code::InvalidArgument);
    let expected = [
        "code",
        "system",
        "purpose",
        "title",
        "legal_basis",
        "document.sha256",
        "operations[0]",
        "indicators.patterns[0]",
        "tree",
        "units[0]",
        "personal_data",
        "valid_before",
        "limits[0].calls",
        "limits[1].per",
        "limits[2].per",
    ];
    assert_eq!(fields, expected.map(|it| format!("agreement.{it}")));
    let good = agreement("ioc.one", "ioc", &[Operation::Read], by(&["*"]));
    assert_eq!(refusal(granted(&desk, good.clone()).await).2, ["agreement.system"]);
    desk.hub.system("ioc", Grants::default()).await;
    let late = pb::Agreement { valid_before: good.valid_from, ..good.clone() };
    assert_eq!(refusal(granted(&desk, late).await).2, ["agreement.valid_before"]);
    let nowhere = pb::Agreement { units: vec![id(99_999_999).unwrap()], ..good.clone() };
    let (code, _, fields) = refusal(granted(&desk, nowhere).await);
    assert_eq!((code, fields), (Code::NotFound, vec!["agreement.units[0].id".to_owned()]));
    let personal = pb::PersonalDataTier::Full.into();
    let personal = pb::Agreement { personal_data: personal, ..good.clone() };
    assert_eq!(refusal(granted(&desk, personal).await).2, ["agreement.personal_data"]);
    let first = granted(&desk, good.clone()).await.unwrap();
    assert_eq!((first.receipt.unwrap().created, first.before), (1, None));
    let again = granted(&desk, good.clone()).await.unwrap();
    assert_eq!(again.receipt.unwrap().unchanged, 1);
    desk.hub.system("other", Grants::default()).await;
    let stolen = pb::Agreement { system: "other".to_owned(), ..good };
    assert_eq!(refusal(granted(&desk, stolen).await).2, ["agreement.system"]);
    let unknown = pb::RevokeAgreementRequest { code: "nothing".to_owned(), ..Default::default() };
    let refused = desk.hub.admin().access().revoke_agreement(unknown).await;
    assert_eq!(refusal(refused).0, Code::NotFound);
    assert_eq!(revoke(&desk, "ioc.one").await.corrected, 1);
    assert_eq!(revoke(&desk, "ioc.one").await.unchanged, 1, "twice is once");
}
