//! `validate_only`, through the wire: the answer of a write, and nothing of it kept.
use sharehub::pb;
use tonic::Code;

use crate::support::{
    client::{Client, Grants, all_indicators, gso, refusal},
    desk::{BEN_TRE, SOURCE, count, outcomes, saw},
    hub::Hub,
};

use pb::ItemOutcome::{Created, Rejected, Unchanged};

async fn start() -> (Hub, Client) {
    let hub = Hub::start().await;
    let everything = Grants {
        publish_units: true,
        define_procedures: true,
        publish_dossiers: true,
        ..all_indicators()
    };
    let source = hub.system(SOURCE, everything).await;
    (hub, source)
}

/// Sends one request four ways, and checks what each is answered and what each leaves behind.
macro_rules! check {
    ($hub:expr, $service:expr, $method:ident, $request:expr, $expected:expr, $again:expr) => {{
        let (hub, request) = (&$hub, $request);
        let mut service = $service;
        let what = stringify!($method);
        let head = hub.hub.revisions.head();
        let mut tried = request.clone();
        tried.validate_only = true;
        tried.allow_partial = true;
        tried.request_id = format!("r-{what}");
        let mut answers = Vec::new();
        for _ in 0..2 {
            let receipt = service.$method(tried.clone()).await.unwrap().into_inner().receipt.unwrap();
            assert!(receipt.validated_only && !receipt.replayed, "{what}: {receipt:?}");
            assert_eq!(outcomes(&receipt), $expected, "{what}: {receipt:?}");
            assert_eq!(receipt.revision.unwrap().number, head.newest.number, "{what}");
            assert!(receipt.results.iter().all(|it| it.outcome() != Created || it.id == 0));
            answers.push(receipt);
        }
        assert_eq!(answers[0], answers[1], "{what}: something of the first was kept");
        assert_eq!(hub.hub.revisions.head(), head, "{what} made a revision");
        // Kept, under the same request_id: it was not used up, and the results are those that were told.
        let mut kept = tried.clone();
        kept.validate_only = false;
        let receipt = service.$method(kept.clone()).await.unwrap().into_inner().receipt.unwrap();
        assert!(!receipt.validated_only && !receipt.replayed, "{what}: {receipt:?}");
        assert_eq!(receipt.revision.unwrap().number, head.newest.number + 1, "{what}");
        let told = |it: &pb::Receipt| {
            let told = it.results.iter().cloned().map(|it| pb::ItemResult { id: 0, ..it });
            told.collect::<Vec<_>>()
        };
        assert_eq!(told(&receipt), told(&answers[0]), "{what}");
        // Checked again: as a retry it is told the first answer, as a new request that all of it is there.
        let retried = service.$method(tried.clone()).await.unwrap().into_inner().receipt.unwrap();
        assert!(retried.validated_only && retried.replayed, "{what}: {retried:?}");
        tried.request_id = String::new();
        let there = service.$method(tried.clone()).await.unwrap().into_inner().receipt.unwrap();
        assert_eq!(outcomes(&there), $again, "{what}: {there:?}");
        assert_eq!(hub.hub.revisions.head().newest.number, head.newest.number + 1, "{what}");
        // An atomic one is refused as it would be.
        tried.allow_partial = false;
        let (code, reason, fields) = refusal(service.$method(tried).await);
        kept.allow_partial = false;
        kept.request_id = String::new();
        assert_eq!((code, reason, fields), refusal(service.$method(kept).await), "{what}");
        assert_ne!(code, Code::Ok);
    }};
}

#[tokio::test]
async fn units_that_are_only_checked_are_answered_and_not_kept() {
    let (hub, source) = start().await;
    let unit = |name: &str, code: &str| pb::UnitEntry {
        level: pb::UnitLevel::Agency.into(),
        name: name.to_owned(),
        codes: vec![pb::UnitCodeSpan {
            scheme: "agency".to_owned(),
            code: code.to_owned(),
            ..Default::default()
        }],
        ..Default::default()
    };
    let units = vec![unit("Sở Y tế", "H56.12"), unit("", "H56.13")];
    let request = pb::PublishUnitsRequest { units, ..Default::default() };
    check!(hub, source.units(), publish_units, request, [Created, Rejected], [Unchanged, Rejected]);
}

#[tokio::test]
async fn indicators_that_are_only_checked_are_answered_and_not_kept() {
    let (hub, source) = start().await;
    let indicators = source.indicators();
    let bad = pb::Indicator { name_vi: String::new(), ..count("bad.count") };
    let definitions = vec![count("doc.count"), bad];
    let request = pb::DefineIndicatorsRequest { indicators: definitions, ..Default::default() };
    check!(
        hub,
        indicators.clone(),
        define_indicators,
        request,
        [Created, Rejected],
        [Unchanged, Rejected]
    );

    let observations = vec![
        saw("doc.count", BEN_TRE, "2024", "7"),
        saw("doc.count", BEN_TRE, "2024-13", "7"),
        saw("no.such", BEN_TRE, "2024", "7"),
        saw("doc.count", "99999", "2024", "7"),
    ];
    let request = pb::PublishObservationsRequest { observations, ..Default::default() };
    check!(
        hub,
        indicators.clone(),
        publish_observations,
        request,
        [Created, Rejected, Rejected, Rejected],
        [Unchanged, Rejected, Rejected, Rejected]
    );

    let target = |value: &str| pb::TargetEntry {
        indicator: "doc.count".to_owned(),
        unit: gso(BEN_TRE, ""),
        period: "2024".to_owned(),
        comparison: pb::TargetComparison::AtLeast.into(),
        value: Some(value.to_owned()),
        provenance: None,
        ..Default::default()
    };
    let targets = vec![target("8"), target("eight")];
    let request = pb::PublishTargetsRequest { targets, ..Default::default() };
    check!(
        hub,
        indicators.clone(),
        publish_targets,
        request,
        [Created, Rejected],
        [Unchanged, Rejected]
    );
}

#[tokio::test]
async fn dossiers_that_are_only_checked_are_answered_and_not_kept() {
    let (hub, source) = start().await;
    let dossiers = source.dossiers();
    let procedure = |code: &str| pb::Procedure {
        code: code.to_owned(),
        name: "Đăng ký".to_owned(),
        ..Default::default()
    };
    let procedures = vec![procedure("1.004194"), procedure("x")];
    let request = pb::DefineProceduresRequest { procedures, ..Default::default() };
    check!(
        hub,
        dossiers.clone(),
        define_procedures,
        request,
        [Created, Rejected],
        [Unchanged, Rejected]
    );

    let event = |seconds| pb::DossierEventEntry {
        occurred_at: Some(prost_types::Timestamp { seconds, nanos: 0 }),
        source_status: "2".to_owned(),
        ..Default::default()
    };
    let dossier = |procedure: &str| pb::DossierEntry {
        code: format!("H56.{procedure}"),
        procedure: procedure.to_owned(),
        receiving_unit: gso("28915", ""),
        events: vec![event(1_760_000_000)],
        ..Default::default()
    };
    let entries = vec![dossier("1.004194"), dossier("9.999999")];
    let request = pb::PublishDossiersRequest { dossiers: entries, ..Default::default() };
    check!(
        hub,
        dossiers.clone(),
        publish_dossiers,
        request,
        [Created, Rejected],
        [Unchanged, Rejected]
    );

    let more = |code: &str| pb::EventForDossier {
        dossier: code.to_owned(),
        event: Some(event(1_760_100_000)),
    };
    let events = vec![more("H56.1.004194"), more("H56.none")];
    let request = pb::PublishEventsRequest { events, ..Default::default() };
    check!(hub, dossiers, publish_events, request, [Created, Rejected], [Unchanged, Rejected]);
}

#[tokio::test]
async fn a_check_beside_writes_in_the_same_commit_leaves_them_alone() {
    let (hub, source) = start().await;
    let request =
        pb::DefineIndicatorsRequest { indicators: vec![count("doc.count")], ..Default::default() };
    source.indicators().define_indicators(request).await.unwrap();
    let before = hub.hub.revisions.head().newest.number;
    let mut sending = tokio::task::JoinSet::new();
    for number in 0..60_i32 {
        let mut client = source.indicators();
        sending.spawn(async move {
            // Each year is written by one of the even ones, and checked by the odd one after it.
            let period = (1990 + number / 2).to_string();
            let validate_only = number % 2 == 1;
            let value = if validate_only { "666" } else { "1" };
            let request = pb::PublishObservationsRequest {
                observations: vec![saw("doc.count", BEN_TRE, &period, value)],
                validate_only,
                ..Default::default()
            };
            let answer = client.publish_observations(request).await.unwrap().into_inner();
            let receipt = answer.receipt.unwrap();
            assert_eq!(receipt.validated_only, validate_only);
            assert_eq!(receipt.rejected + receipt.unchanged, 0, "{receipt:?}");
            (!validate_only).then(|| receipt.revision.unwrap().number)
        });
    }
    let mut made: Vec<_> = sending.join_all().await.into_iter().flatten().collect();
    made.sort_unstable();
    assert_eq!(made, (before + 1..=before + 30).collect::<Vec<_>>(), "a gap, or a double");
    let query = pb::QueryObservationsRequest::default();
    let found = source.indicators().query_observations(query).await.unwrap().into_inner();
    let values = found.observations.iter().map(|it| it.figure.as_ref().unwrap().value.clone());
    assert_eq!(values.flatten().collect::<Vec<_>>(), vec!["1"; 30]);
}
