//! A change of units or procedures that would open what is on record to a living agreement waits for an administrator.
use sharehub::pb;

use crate::support::{
    client::{Client, Grants, agreement, refusal},
    dossiers,
    hub::Hub,
};
use pb::{
    AgreementOperation::Read,
    HeldChangeState::{Approved, Refused, Waiting},
    UnitLevel::{Commune, District, Province},
    UnitTree::{Administration, Territory},
    agreement::Dataset,
};

/// Whose codes the units here bear, and who publishes them.
const SCHEME: &str = "so-noi-vu";

fn unit(code: &str) -> Option<pb::UnitRef> {
    let (scheme, code, date) = (SCHEME.to_owned(), code.to_owned(), String::new());
    let code = pb::UnitCode { scheme, code, date };
    Some(pb::UnitRef { r#ref: Some(pb::unit_ref::Ref::Code(code)) })
}

fn entry(
    level: pb::UnitLevel,
    code: &str,
    links: &[(&str, pb::UnitTree, &str, &str)],
) -> pb::UnitEntry {
    let link =
        |(parent, tree, from, before): &(&str, pb::UnitTree, &str, &str)| pb::UnitParentEntry {
            tree: (*tree).into(),
            parent: unit(parent),
            valid_from: (*from).to_owned(),
            valid_before: (*before).to_owned(),
        };
    let (scheme, code) = (SCHEME.to_owned(), code.to_owned());
    pb::UnitEntry {
        level: level.into(),
        name: format!("Đơn vị {code}"),
        codes: vec![pb::UnitCodeSpan { scheme, code, ..Default::default() }],
        parents: links.iter().map(link).collect(),
        ..Default::default()
    }
}

/// A hub with a publisher of units and procedures, and a reader of district `d1` and of the field HT.
async fn start() -> (Hub, Client, Client) {
    let hub = Hub::start().await;
    let grants = Grants {
        publish_units: true,
        publish_dossiers: true,
        define_procedures: true,
        ..Default::default()
    };
    let publisher = hub.system(SCHEME, grants).await;
    let units = vec![
        entry(Province, "p", &[]),
        entry(District, "d1", &[("p", Territory, "", "")]),
        entry(District, "d2", &[("p", Territory, "", "")]),
        entry(Commune, "a", &[("d1", Territory, "", "")]),
        entry(Commune, "c", &[("d2", Territory, "", "")]),
    ];
    put(&publisher, units).await.unwrap();
    let reader = hub.system("d1", Grants::default()).await;
    let dataset = pb::DossierDataset { fields: vec!["HT".to_owned()], procedures: Vec::new() };
    let one = agreement("d1.h", "d1", &[Read], Dataset::Dossiers(dataset));
    let units = unit("d1").into_iter().collect();
    hub.agree("d1", vec![pb::Agreement { units, ..one }]).await;
    (hub, publisher, reader)
}

async fn put(client: &Client, units: Vec<pb::UnitEntry>) -> Result<pb::Receipt, tonic::Status> {
    let request = pb::PublishUnitsRequest { units, ..Default::default() };
    Ok(client.units().publish_units(request).await?.into_inner().receipt.unwrap())
}

async fn held(hub: &Hub) -> Vec<pb::HeldChange> {
    let list = pb::ListHeldChangesRequest::default();
    hub.admin().access().list_held_changes(list).await.unwrap().into_inner().changes
}

async fn approve(hub: &Hub, id: i64) -> Result<pb::Receipt, tonic::Status> {
    let reason = "Đã xem".to_owned();
    let request = pb::ApproveHeldChangeRequest { id, reason, ..Default::default() };
    let answer = hub.admin().access().approve_held_change(request).await?;
    Ok(answer.into_inner().receipt.unwrap())
}

async fn refuse(hub: &Hub, id: i64) -> Result<pb::HeldChange, tonic::Status> {
    let request = pb::RefuseHeldChangeRequest { id, reason: "Không đúng".to_owned() };
    let answer = hub.admin().access().refuse_held_change(request).await?;
    Ok(answer.into_inner().change.unwrap())
}

async fn parents(client: &Client, code: &str) -> usize {
    let request = pb::GetUnitRequest { unit: unit(code), consistency: None };
    let found = client.units().get_unit(request).await.unwrap().into_inner().unit.unwrap();
    found.parents.len()
}

/// The number under which a change waits, as its refusal says.
fn number(refused: Result<pb::Receipt, tonic::Status>) -> String {
    use tonic_types::StatusExt;
    let status = refused.unwrap_err();
    let info = status.get_details_error_info().unwrap();
    assert_eq!(info.reason, "ERROR_REASON_CHANGE_HELD", "{status:?}");
    assert!(info.metadata["opens"].contains("to d1.h"), "{info:?}");
    info.metadata.get("held_change").cloned().unwrap_or_default()
}

#[tokio::test]
async fn a_link_of_two_days_in_another_tree_waits_and_is_made_when_it_is_approved_on_another_hub() {
    let (hub, publisher, _) = start().await;
    let other = hub.another().await;
    let linked = || {
        let links = [("d2", Territory, "", ""), ("d1", Administration, "2020-03-01", "2020-03-03")];
        vec![entry(Commune, "c", &links)]
    };
    let before = hub.hub.revisions.head().newest.number;
    assert_eq!(number(put(&publisher, linked()).await), "1");
    // The same again is the same, and what is only tried is not kept.
    assert_eq!(number(put(&publisher, linked()).await), "1");
    let request =
        pb::PublishUnitsRequest { units: linked(), validate_only: true, ..Default::default() };
    let tried = publisher.units().publish_units(request).await;
    assert_eq!(number(tried.map(|it| it.into_inner().receipt.unwrap())), "");
    assert_eq!(hub.hub.revisions.head().newest.number, before, "nothing was made");
    assert_eq!(parents(&publisher, "c").await, 1);
    let waiting = held(&other).await;
    let [one] = waiting.as_slice() else { panic!("{waiting:?}") };
    assert_eq!((one.id, one.system.as_str(), one.state()), (1, SCHEME, Waiting));
    assert!(one.opens[0].starts_with("Đơn vị c (unit ") && one.held_at.is_some(), "{one:?}");
    let Some(pb::held_change::Request::Units(asked)) = &one.request else { panic!("{one:?}") };
    assert_eq!(asked.units, linked());
    let list = pb::ListHeldChangesRequest::default();
    let others = publisher.access().list_held_changes(list).await;
    assert_eq!(refusal(others).1, "NOT_PERMITTED");
    assert_eq!(approve(&other, 1).await.unwrap().corrected, 1);
    assert_eq!(parents(&other.admin(), "c").await, 2);
    let told = held(&hub).await;
    assert_eq!((told[0].state(), told[0].reason.as_str()), (Approved, "Đã xem"));
    assert!(!told[0].decided_by.is_empty() && told[0].decided_at.is_some());
    assert_eq!(refusal(approve(&hub, 1).await).1, "CHANGE_DECIDED");
    assert_eq!(refusal(refuse(&hub, 1).await).1, "CHANGE_DECIDED");
    assert_eq!(refusal(approve(&hub, 7).await).1, "NOT_FOUND");
    let records = pb::ListRecordsRequest::default();
    let records = hub.admin().audit().list_records(records).await.unwrap().into_inner();
    let by_name = |it: &&pb::AuditRecord| it.method.ends_with("ApproveHeldChange");
    assert!(records.records.iter().any(|it| by_name(&it)), "the decision is on record");
}

#[tokio::test]
async fn what_an_administrator_refuses_is_never_made() {
    let (hub, publisher, _) = start().await;
    let moved = || vec![entry(Commune, "c", &[("d1", Territory, "", "")])];
    assert_eq!(number(put(&publisher, moved()).await), "1");
    let refused = refuse(&hub, 1).await.unwrap();
    assert_eq!((refused.state(), refused.reason.as_str()), (Refused, "Không đúng"));
    assert_eq!(refusal(approve(&hub, 1).await).1, "CHANGE_DECIDED");
    let request = pb::GetUnitRequest { unit: unit("c"), consistency: None };
    let c = publisher.units().get_unit(request).await.unwrap().into_inner().unit.unwrap();
    assert_eq!(c.parents[0].parent.as_ref().unwrap().name, "Đơn vị d2");
    // Asked for again, it waits again.
    assert_eq!(number(put(&publisher, moved()).await), "2");
    let bad = pb::RefuseHeldChangeRequest { id: 2, reason: " ".to_owned() };
    let bad = hub.admin().access().refuse_held_change(bad).await;
    assert_eq!(refusal(bad).2, ["reason"]);
}

#[tokio::test]
async fn what_opens_nothing_on_record_is_made_at_once() {
    let (hub, publisher, _) = start().await;
    let new = entry(Commune, "new", &[("d1", Territory, "", "")]);
    assert_eq!(put(&publisher, vec![new]).await.unwrap().created, 1);
    let gone = entry(Commune, "a", &[("d2", Territory, "", "")]);
    assert_eq!(put(&publisher, vec![gone]).await.unwrap().corrected, 1);
    assert!(held(&hub).await.is_empty());
    // An administrator's own change is its decision.
    let grants = Grants { administrator: true, publish_units: true, ..Default::default() };
    let chief = hub.system("chief", grants).await;
    let back = entry(Commune, "a", &[("d1", Territory, "", "")]);
    assert_eq!(put(&chief, vec![back]).await.unwrap().corrected, 1);
    assert!(held(&hub).await.is_empty());
}

#[tokio::test]
async fn a_procedure_that_changes_its_field_opens_no_dossier_unasked() {
    let (hub, publisher, reader) = start().await;
    let of = |field: &str| {
        let field_code = field.to_owned();
        vec![pb::Procedure { field_code, ..dossiers::procedure("1.004194") }]
    };
    assert_eq!(dossiers::define(&publisher, of("XH")).await.created, 1);
    let event = dossiers::event("2025-10-01 08:30", "2");
    let entry =
        pb::DossierEntry { receiving_unit: unit("a"), ..dossiers::entry("H61.1", vec![event]) };
    assert_eq!(dossiers::publish(&publisher, vec![entry]).await.created, 1);
    let get = async || reader.dossiers().get_dossier(dossiers::ask("H61.1")).await;
    assert_eq!(refusal(get().await).1, "NOT_FOUND");
    let define = pb::DefineProceduresRequest { procedures: of("HT"), ..Default::default() };
    let changed = publisher.dossiers().define_procedures(define).await;
    assert_eq!(number(changed.map(|it| it.into_inner().receipt.unwrap())), "1");
    assert_eq!(refusal(get().await).1, "NOT_FOUND");
    assert_eq!(approve(&hub, 1).await.unwrap().corrected, 1);
    assert_eq!(get().await.unwrap().into_inner().dossier.unwrap().code, "H61.1");
}
