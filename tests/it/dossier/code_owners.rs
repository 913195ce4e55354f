//! Whose a code is: a system publishes the codes that its agreement gives it, and learns of no other whether it exists.
use sharehub::pb;

use crate::support::{
    client::{Client, Grants, agreement, gso, refusal},
    dossiers::{COMMUNE, ELSEWHERE, ask, entry, event, get, outcomes, publish, source, start},
    hub::Hub,
};
use pb::{AgreementOperation::Publish, agreement::Dataset};

/// The agreement by which a system publishes dossiers with these codes.
fn publishes(system: &str, codes: &[&str]) -> pb::Agreement {
    let dataset = Dataset::Dossiers(pb::DossierDataset::default());
    pb::Agreement {
        dossier_codes: codes.iter().map(|it| (*it).to_owned()).collect(),
        ..agreement(&format!("{system}.publish-dossiers"), system, &[Publish], dataset)
    }
}

async fn grant(hub: &Hub, one: pb::Agreement) -> (String, Vec<String>) {
    let request = pb::GrantAgreementRequest { agreement: Some(one), ..Default::default() };
    match hub.admin().access().grant_agreement(request).await {
        Ok(_) => Default::default(),
        Err(status) => {
            let (_, reason, fields) = refusal(Err::<(), _>(status));
            (reason, fields)
        }
    }
}

fn accepted(code: &str) -> pb::DossierEntry {
    entry(code, vec![event("2025-10-01 08:00", "2")])
}

#[tokio::test]
async fn a_publisher_is_told_of_no_code_that_is_not_its_own_whether_it_exists() {
    let (hub, first) = start().await;
    hub.grant(publishes("mot-cua", &["H61."])).await;
    let there: Vec<_> = (0..500).map(|it| accepted(&format!("H61.{it}"))).collect();
    assert_eq!(publish(&first, there).await.created, 500);
    let other = hub.system("khac", Grants { dossier_codes: vec!["H62.".into()], ..source() }).await;
    let tried = async |code: String| {
        let request = pb::PublishDossiersRequest {
            dossiers: vec![accepted(&code)],
            allow_partial: true,
            validate_only: true,
            ..Default::default()
        };
        let receipt =
            other.dossiers().publish_dossiers(request).await.unwrap().into_inner().receipt;
        let mut item = receipt.unwrap().results.remove(0);
        // What it says of its own code is no news.
        item.message = item.message.replace(&code, "CODE");
        item
    };
    let unknown = tried("H61.999999".to_owned()).await;
    assert_eq!(unknown.reason(), pb::ErrorReason::NotAuthoritative);
    assert_eq!(tried("H61.7".to_owned()).await, unknown);
    assert_eq!(tried("H63.1".to_owned()).await, unknown);
    // A thousand codes of others at once, half of which exist: one answer for all of them.
    let request = pb::PublishDossiersRequest {
        dossiers: (0..1_000).map(|it| accepted(&format!("H61.{it}"))).collect(),
        allow_partial: true,
        validate_only: true,
        ..Default::default()
    };
    let receipt = other.dossiers().publish_dossiers(request).await.unwrap().into_inner().receipt;
    let mut results = receipt.unwrap().results;
    results.iter_mut().for_each(|it| it.index = 0);
    let first = &results[0];
    assert_eq!(results.len(), 1_000);
    assert_eq!(results.iter().find(|it| *it != first), None, "{first:?}");
    // And none is squatted.
    assert_eq!(outcomes(&publish(&other, vec![accepted("H61.new")]).await), [0, 0, 0, 1]);
    assert_eq!(outcomes(&publish(&other, vec![accepted("H62.new")]).await), [1, 0, 0, 0]);
}

#[tokio::test]
async fn codes_belong_to_one_system_at_a_time_and_are_handed_over_by_agreements() {
    let (hub, first) = start().await;
    hub.grant(publishes("mot-cua", &["H61."])).await;
    assert_eq!(publish(&first, vec![accepted("H61.1")]).await.created, 1);
    hub.system("bo", Grants { define_procedures: true, ..Default::default() }).await;
    for overlapping in ["H61.", "H61.1", "H", "*"] {
        let refused = grant(&hub, publishes("bo", &["G01.", overlapping])).await;
        let fields = vec!["agreement.dossier_codes".to_owned()];
        assert_eq!(refused, ("FIELD_INVALID".to_owned(), fields), "{overlapping}");
    }
    let none = grant(&hub, publishes("bo", &[])).await;
    assert_eq!(none.1, ["agreement.dossier_codes"]);
    let blank = grant(&hub, publishes("bo", &["G 01"])).await;
    assert_eq!(blank.1, ["agreement.dossier_codes[0]"]);
    let dataset = Dataset::Dossiers(pb::DossierDataset::default());
    let reads = agreement("bo.read", "bo", &[pb::AgreementOperation::Read], dataset);
    let reads = pb::Agreement { dossier_codes: vec!["G01.".to_owned()], ..reads };
    assert_eq!(grant(&hub, reads).await.1, ["agreement.dossier_codes"]);
    // From the province's system to the ministry's: the dossier goes on, and the new source is told.
    hub.grant(publishes("mot-cua", &["H60."])).await;
    hub.grant(publishes("bo", &["H61."])).await;
    let key = pb::IssueKeyRequest { system: "bo".to_owned(), ..Default::default() };
    let key = hub.admin().access().issue_key(key).await.unwrap().into_inner().key;
    let ministry = hub.as_(&key);
    assert_eq!(outcomes(&publish(&first, vec![accepted("H61.1")]).await), [0, 0, 0, 1]);
    let next = event("2025-10-02 08:00", "4");
    let on = entry("H61.1", vec![event("2025-10-01 08:00", "2"), next]);
    assert_eq!(outcomes(&publish(&ministry, vec![on]).await), [0, 1, 0, 0]);
    let now = get(&ministry, "H61.1").await;
    assert_eq!((now.source.as_str(), now.events.len()), ("bo", 2));
    assert_eq!(refusal(first.dossiers().get_dossier(ask("H61.1")).await).1, "NOT_FOUND");
}

#[tokio::test]
async fn both_units_of_a_dossier_lie_inside_the_publishers_agreement() {
    let (hub, first) = start().await;
    let units = gso("86", "2026-01-01").into_iter().collect();
    let tree = pb::UnitTree::Territory.into();
    hub.grant(pb::Agreement { units, tree, ..publishes("mot-cua", &["*"]) }).await;
    let of = |code: &str, receiving: &str, competent: &str| pb::DossierEntry {
        receiving_unit: gso(receiving, ""),
        competent_unit: (!competent.is_empty()).then(|| gso(competent, "").unwrap()),
        ..accepted(code)
    };
    let told = async |client: &Client, it| outcomes(&publish(client, vec![it]).await);
    assert_eq!(told(&first, of("H-1", COMMUNE, COMMUNE)).await, [1, 0, 0, 0]);
    assert_eq!(told(&first, of("H-2", COMMUNE, "")).await, [1, 0, 0, 0]);
    assert_eq!(told(&first, of("H-3", ELSEWHERE, COMMUNE)).await, [0, 0, 0, 1]);
    assert_eq!(told(&first, of("H-4", COMMUNE, ELSEWHERE)).await, [0, 0, 0, 1]);
    assert_eq!(told(&first, of("H-5", ELSEWHERE, ELSEWHERE)).await, [0, 0, 0, 1]);
}
