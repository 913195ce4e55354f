//! Withdrawals of observations and targets: they are in no answer from then on, and stay in those before.

use std::time::Duration;

use prost_types::Timestamp as Instant;
use sharehub::{
    hub::store::retention::{Compact, compact},
    pb::{self, AgreementOperation as Operation, ItemOutcome as Outcome},
    time::Timestamp,
};
use tonic::{Code, Status};

use crate::support::{
    agreements::by,
    client::{Client, Grants, agreement, all_indicators, exactly, gso, id, refusal},
    desk::{BEN_TRE, Desk, SOURCE, batch, outcomes, revision, saw},
};

/// Why things are withdrawn here.
const REASON: &str = "nhập nhầm đơn vị";

/// The key of a yearly count without breakdown.
fn key(indicator: &str, unit: &str, period: &str) -> pb::ObservationKey {
    pb::ObservationKey {
        indicator: indicator.to_owned(),
        unit: gso(unit, ""),
        period: period.to_owned(),
        ..Default::default()
    }
}

fn request(observations: Vec<pb::ObservationKey>) -> pb::WithdrawObservationsRequest {
    let reason = REASON.to_owned();
    pb::WithdrawObservationsRequest { observations, reason, ..Default::default() }
}

async fn withdraw(
    client: &Client,
    request: pb::WithdrawObservationsRequest,
) -> Result<pb::Receipt, Status> {
    let answer = client.indicators().withdraw_observations(request).await?;
    Ok(answer.into_inner().receipt.unwrap())
}

/// Whether each kind of answer shows the count of Ben Tre in 2024.
async fn shown(desk: &Desk, at: Option<i64>) -> [bool; 6] {
    let consistency = at.and_then(exactly);
    let mut rpc = desk.source.indicators();
    let (indicators, code) = (vec!["doc.count".to_owned()], "doc.count".to_owned());
    let query = pb::QueryObservationsRequest {
        indicators: indicators.clone(),
        consistency,
        ..Default::default()
    };
    let queried = rpc.query_observations(query).await.unwrap().into_inner().observations;
    let export = pb::ExportObservationsRequest {
        indicators: indicators.clone(),
        consistency,
        ..Default::default()
    };
    let mut export = rpc.export_observations(export).await.unwrap().into_inner();
    let exported = export.message().await.unwrap().unwrap().observations;
    let cell = desk.cell("doc.count", gso(BEN_TRE, ""), "2024", consistency).await;
    let roll_up = pb::RollUpRequest {
        indicator: code.clone(),
        unit: gso(BEN_TRE, ""),
        periods: vec!["2024".to_owned()],
        geography: pb::Geography::AsReported.into(),
        consistency,
        ..Default::default()
    };
    let summed = rpc.roll_up(roll_up).await.unwrap().into_inner().figures;
    let rank = pb::RankUnitsRequest {
        indicator: code,
        period: "2024".to_owned(),
        level: pb::UnitLevel::Province.into(),
        consistency,
        ..Default::default()
    };
    let ranked = rpc.rank_units(rank).await.unwrap().into_inner().ranked;
    let availability = pb::GetAvailabilityRequest {
        indicators,
        units: gso(BEN_TRE, "").into_iter().collect(),
        ends_from: "2024-01-01".to_owned(),
        ends_before: "2025-01-01".to_owned(),
        consistency,
        ..Default::default()
    };
    let available = rpc.get_availability(availability).await.unwrap().into_inner().cells;
    [
        !queried.is_empty(),
        !exported.is_empty(),
        cell.latest.is_some(),
        summed[0].reported.is_some(),
        !ranked.is_empty(),
        available[0].first_published_at.is_some(),
    ]
}

#[tokio::test]
async fn a_withdrawn_observation_is_in_no_answer_from_then_on_and_stays_in_those_before() {
    let desk = Desk::start().await;
    let entry = saw("doc.count", BEN_TRE, "2024", "7");
    let published = revision(&desk.publish(vec![entry.clone()]).await);
    assert_eq!(shown(&desk, None).await, [true; 6]);
    let keys = || vec![key("doc.count", BEN_TRE, "2024")];

    // Only checked, nothing of it is kept.
    let tried = pb::WithdrawObservationsRequest { validate_only: true, ..request(keys()) };
    let tried = withdraw(&desk.source, tried).await.unwrap();
    assert!(tried.validated_only && outcomes(&tried) == [Outcome::Corrected], "{tried:?}");
    assert_eq!((desk.head().await, shown(&desk, None).await), (published, [true; 6]));

    let once = pb::WithdrawObservationsRequest { request_id: "rút-1".into(), ..request(keys()) };
    let receipt = withdraw(&desk.source, once.clone()).await.unwrap();
    assert_eq!(outcomes(&receipt), [Outcome::Corrected]);
    let withdrawn = revision(&receipt);
    assert_eq!(withdrawn, published + 1);
    let again = withdraw(&desk.source, once.clone()).await.unwrap();
    assert_eq!(again, pb::Receipt { replayed: true, ..receipt.clone() });
    let other = pb::WithdrawObservationsRequest { reason: "khác".to_owned(), ..once };
    assert_eq!(refusal(withdraw(&desk.source, other).await).1, "REQUEST_ID_REUSED");
    // Without the id it is a request of its own, and finds it done. Twice in a batch is once.
    let twice = request([keys(), keys()].concat());
    let receipt_of_none = withdraw(&desk.source, twice).await.unwrap();
    assert_eq!(outcomes(&receipt_of_none), [Outcome::Unchanged; 2]);
    assert_eq!(desk.head().await, withdrawn, "no revision was made");
    assert_eq!(shown(&desk, None).await, [false; 6]);
    assert_eq!(shown(&desk, Some(published)).await, [true; 6]);

    // Its versions say who withdrew it, when and why.
    let versions = desk.versions(&entry).await;
    let [tombstone, before] = versions.as_slice() else { panic!("{versions:?}") };
    assert_eq!(tombstone.withdrawal_reason, REASON);
    assert_eq!((tombstone.revision, tombstone.superseded), (receipt.revision, None));
    let figure = tombstone.figure.clone().unwrap();
    assert_eq!((figure.value, figure.status), (None, 0));
    assert_eq!(figure.provenance.unwrap().source_system, SOURCE);
    assert_eq!((before.withdrawal_reason.as_str(), before.superseded), ("", receipt.revision));

    // Published again, the same is new; and so it is after another withdrawal.
    for _ in 0..2 {
        let receipt = desk.publish(vec![entry.clone()]).await;
        assert_eq!(outcomes(&receipt), [Outcome::Created]);
        assert_eq!(shown(&desk, None).await, [true; 6]);
        assert_eq!(shown(&desk, Some(withdrawn)).await, [false; 6]);
        let twice = withdraw(&desk.source, request([keys(), keys()].concat())).await.unwrap();
        assert_eq!(outcomes(&twice), [Outcome::Corrected, Outcome::Unchanged]);
    }
    assert_eq!(desk.versions(&entry).await.len(), 6);
}

#[tokio::test]
async fn only_who_publishes_an_observation_withdraws_it() {
    let desk = Desk::start().await;
    let said = ["2022", "2023", "2024"].map(|it| saw("doc.count", BEN_TRE, it, "7"));
    desk.publish(said.to_vec()).await;
    let head = desk.head().await;
    let keys = || vec![key("doc.count", BEN_TRE, "2023"), key("doc.count", BEN_TRE, "2021")];
    // Atomic: what was never there refuses the call, and nothing is withdrawn.
    let (code, reason, fields) = refusal(withdraw(&desk.source, request(keys())).await);
    assert_eq!((code, reason.as_str()), (Code::NotFound, "NOT_FOUND"));
    assert_eq!((fields, desk.head().await), (vec!["observations[1]".to_owned()], head));
    let other = desk.hub.system("other", all_indicators()).await;
    let refused = refusal(withdraw(&other, request(keys())).await);
    assert_eq!((refused.0, refused.1.as_str()), (Code::PermissionDenied, "NOT_AUTHORITATIVE"));
    let grants = Grants { read_indicators: vec!["*".to_owned()], ..Default::default() };
    let reader = desk.hub.system("reader", grants).await;
    assert_eq!(refusal(withdraw(&reader, request(keys())).await).1, "NOT_PERMITTED");
    // What is not shared is as what is not.
    let grants = Grants { publish_indicators: vec!["water.*".to_owned()], ..Default::default() };
    let stranger = desk.hub.system("stranger", grants).await;
    for code in ["doc.count", "no.such"] {
        let refused = refusal(withdraw(&stranger, request(vec![key(code, BEN_TRE, "2024")])).await);
        assert_eq!((refused.0, refused.1.as_str()), (Code::NotFound, "NOT_FOUND"), "{code}");
    }
    for (reason, field) in [(String::new(), "reason"), ("x".repeat(501), "reason")] {
        let bad = pb::WithdrawObservationsRequest { reason, ..request(keys()) };
        let (_, reason, fields) = refusal(withdraw(&desk.source, bad).await);
        assert_eq!((reason.as_str(), fields), ("FIELD_INVALID", vec![field.to_owned()]));
    }
    // Item by item, within the agreement.
    let get = pb::GetUnitRequest { unit: gso(BEN_TRE, "2024-12-31"), ..Default::default() };
    let unit = desk.source.units().get_unit(get).await.unwrap().into_inner().unit.unwrap().id;
    let publish = format!("{SOURCE}.publish-indicators");
    let narrow = agreement(&publish, SOURCE, &[Operation::Publish], by(&["doc.count"]));
    desk.hub.grant(pb::Agreement { units: vec![id(unit).unwrap()], ..narrow }).await;
    let mut bad = key("doc.count", BEN_TRE, "2024-13");
    bad.breakdown.insert("Kênh".to_owned(), String::new());
    let mut keys = keys();
    keys.extend([key("doc.count", "80", "2024"), key("doc.rate", BEN_TRE, "2024"), bad]);
    let partial = pb::WithdrawObservationsRequest { allow_partial: true, ..request(keys) };
    let receipt = withdraw(&desk.source, partial).await.unwrap();
    let told = receipt.results.iter().map(|it| {
        let reason = it.reason().as_str_name().trim_start_matches("ERROR_REASON_");
        let fields = it.violations.iter().map(|it| it.field.as_str());
        (it.outcome(), reason, fields.collect::<Vec<_>>())
    });
    let expected = [
        (Outcome::Corrected, "UNSPECIFIED", vec![]),
        (Outcome::Rejected, "NOT_FOUND", vec![]),
        (Outcome::Rejected, "NOT_PERMITTED", vec!["unit"]),
        (Outcome::Rejected, "NOT_PERMITTED", vec!["indicator"]),
        (Outcome::Rejected, "FIELD_INVALID", vec!["period", "breakdown"]),
    ];
    assert_eq!(told.collect::<Vec<_>>(), expected);
    assert_eq!((receipt.corrected, receipt.rejected), (1, 4));
    let of = async |year: &str| {
        let cell = desk.cell("doc.count", gso(BEN_TRE, ""), year, None).await;
        cell.latest.is_some()
    };
    assert_eq!((of("2022").await, of("2023").await, of("2024").await), (true, false, true));
}

#[tokio::test]
async fn a_withdrawn_target_is_judged_by_no_more() {
    let desk = Desk::start().await;
    let target = pb::TargetEntry {
        indicator: "doc.count".to_owned(),
        unit: gso(BEN_TRE, ""),
        period: "2024".to_owned(),
        comparison: pb::TargetComparison::AtLeast.into(),
        value: Some("5".to_owned()),
        provenance: None,
        ..Default::default()
    };
    let publish = async || {
        let request =
            pb::PublishTargetsRequest { targets: vec![target.clone()], ..Default::default() };
        let answer = desk.source.indicators().publish_targets(request).await.unwrap();
        answer.into_inner().receipt.unwrap()
    };
    let shown = async |at: Option<i64>| {
        let consistency = at.and_then(exactly);
        let query = pb::QueryTargetsRequest { consistency, ..Default::default() };
        let all = desk.source.indicators().query_targets(query).await.unwrap().into_inner().targets;
        let cell = desk.cell("doc.count", gso(BEN_TRE, ""), "2024", consistency).await;
        (all.len(), cell.target.is_some(), cell.attainment.is_some())
    };
    let targets = |period: &str| pb::WithdrawTargetsRequest {
        targets: vec![pb::TargetKey {
            indicator: "doc.count".to_owned(),
            unit: gso(BEN_TRE, ""),
            period: period.to_owned(),
            ..Default::default()
        }],
        reason: REASON.to_owned(),
        ..Default::default()
    };
    let withdraw = async |client: &Client, request: pb::WithdrawTargetsRequest| {
        let answer = client.indicators().withdraw_targets(request).await;
        answer.map(|it| it.into_inner().receipt.unwrap())
    };
    desk.publish(vec![saw("doc.count", BEN_TRE, "2024", "7")]).await;
    let published = revision(&publish().await);
    assert_eq!(shown(None).await, (1, true, true));
    let tried = pb::WithdrawTargetsRequest { validate_only: true, ..targets("2024") };
    assert_eq!(withdraw(&desk.source, tried).await.unwrap().corrected, 1);
    let once = pb::WithdrawTargetsRequest { request_id: "rút".to_owned(), ..targets("2024") };
    let receipt = withdraw(&desk.source, once.clone()).await.unwrap();
    assert_eq!((outcomes(&receipt), revision(&receipt)), (vec![Outcome::Corrected], published + 1));
    assert!(withdraw(&desk.source, once).await.unwrap().replayed);
    assert_eq!(
        outcomes(&withdraw(&desk.source, targets("2024")).await.unwrap()),
        [Outcome::Unchanged]
    );
    assert_eq!(shown(None).await, (0, false, false));
    assert_eq!(shown(Some(published)).await, (1, true, true));
    assert_eq!(outcomes(&publish().await), [Outcome::Created]);
    assert_eq!(shown(None).await, (1, true, true));
    let (_, reason, fields) = refusal(withdraw(&desk.source, targets("2023")).await);
    assert_eq!((reason.as_str(), fields), ("NOT_FOUND", vec!["targets[0]".to_owned()]));
    let partial = pb::WithdrawTargetsRequest { allow_partial: true, ..targets("2023") };
    assert_eq!(withdraw(&desk.source, partial).await.unwrap().rejected, 1);
    let other = desk.hub.system("other", all_indicators()).await;
    assert_eq!(refusal(withdraw(&other, targets("2024")).await).1, "NOT_AUTHORITATIVE");
}

#[tokio::test(flavor = "multi_thread")]
async fn withdrawals_share_commits_with_publications_of_the_same_keys() {
    let desk = Desk::start().await;
    let years: Vec<String> = (1990..2000).map(|it| it.to_string()).collect();
    let mut calls = tokio::task::JoinSet::new();
    for turn in 0..60_usize {
        let (source, year) = (desk.source.clone(), years[turn % 10].clone());
        calls.spawn(async move {
            if turn % 3 == 0 {
                let keys = vec![key("doc.count", BEN_TRE, &year)];
                let partial =
                    pb::WithdrawObservationsRequest { allow_partial: true, ..request(keys) };
                withdraw(&source, partial).await.unwrap()
            } else {
                let entry = saw("doc.count", BEN_TRE, &year, &turn.to_string());
                let publish = batch(vec![entry]);
                let answer = source.indicators().publish_observations(publish).await.unwrap();
                answer.into_inner().receipt.unwrap()
            }
        });
    }
    calls.join_all().await;
    // Whatever the order was: each version was superseded by the next, and what ends with a withdrawal does not stand.
    for year in &years {
        let stands = desk.cell("doc.count", gso(BEN_TRE, ""), year, None).await.latest;
        let list = pb::ListRevisionsRequest {
            indicator: "doc.count".to_owned(),
            unit: gso(BEN_TRE, ""),
            period: year.clone(),
            ..Default::default()
        };
        let versions =
            desk.source.indicators().list_revisions(list).await.unwrap().into_inner().versions;
        assert_eq!(versions[0].withdrawal_reason.is_empty(), stands.is_some(), "{year}");
        for pair in versions.windows(2) {
            let [later, earlier] = pair else { panic!("two") };
            let is_tombstone = !earlier.withdrawal_reason.is_empty();
            let superseded = if is_tombstone { None } else { later.revision };
            assert_eq!(earlier.superseded, superseded, "{year}: {versions:?}");
            assert!(later.withdrawal_reason.is_empty() || !is_tombstone, "withdrawn twice");
        }
    }
}

#[tokio::test]
async fn retention_drops_a_withdrawal_with_what_it_withdrew() {
    let desk = Desk::start().await;
    let entry = saw("doc.count", BEN_TRE, "2024", "7");
    desk.publish(vec![entry.clone(), saw("doc.count", BEN_TRE, "2023", "6")]).await;
    let keys = || vec![key("doc.count", BEN_TRE, "2024")];
    let receipt = withdraw(&desk.source, request(keys())).await.unwrap();
    let Instant { seconds, nanos } = receipt.revision.unwrap().committed_at.unwrap();
    let keep_after = Timestamp::from_parts(seconds, nanos).unwrap();
    let reason = "a test".to_owned();
    let done = compact(&desk.hub.hub, Compact { keep_after, reason, grace: Duration::ZERO });
    let done = done.await.unwrap();
    assert_eq!((done.floor, done.rows), (revision(&receipt), 2), "the value, and its tombstone");
    assert_eq!(shown(&desk, None).await, [true, true, false, false, false, false]);
    let list = pb::ListRevisionsRequest {
        indicator: "doc.count".to_owned(),
        unit: gso(BEN_TRE, ""),
        period: "2024".to_owned(),
        ..Default::default()
    };
    assert_eq!(refusal(desk.source.indicators().list_revisions(list).await).1, "NOT_FOUND");
    assert_eq!(refusal(withdraw(&desk.source, request(keys())).await).1, "NOT_FOUND");
    assert_eq!(outcomes(&desk.publish(vec![entry]).await), [Outcome::Created]);
}
