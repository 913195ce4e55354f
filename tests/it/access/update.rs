//! Changing what is registered: by a mask, at a version, and never by registering again. Keys under a `request_id`.
use std::time::{Duration, Instant};

use prost_types::FieldMask;
use sharehub::pb;
use tokio::time;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::{
    access::{
        keys::{id_of, issue, key_of, revoke, who_am_i},
        systems::registration,
    },
    support::{
        client::{Grants, current, refusal},
        desk::revision,
        hub::Hub,
    },
};

fn mask(paths: &[&str]) -> Option<FieldMask> {
    Some(FieldMask { paths: paths.iter().map(|it| (*it).to_owned()).collect() })
}

/// A change of `so-y-te` to this name.
fn rename(name: &str) -> pb::UpdateSystemRequest {
    let (code, name) = ("so-y-te".to_owned(), name.to_owned());
    let system = Some(pb::RegisteredSystem { code, name, ..Default::default() });
    pb::UpdateSystemRequest { system, update_mask: mask(&["name"]), ..Default::default() }
}

/// `so-y-te` as it is registered.
async fn so_y_te(hub: &Hub) -> pb::RegisteredSystem {
    let list = hub.admin().access().list_systems(pb::ListSystemsRequest::default()).await;
    let mut systems = list.unwrap().into_inner().systems.into_iter();
    systems.find(|it| it.code == "so-y-te").unwrap()
}

async fn update(hub: &Hub, request: pb::UpdateSystemRequest) -> Result<pb::Receipt, Status> {
    let answer = hub.admin().access().update_system(request).await?;
    Ok(answer.into_inner().receipt.unwrap())
}

async fn disable(hub: &Hub) -> pb::Receipt {
    let request = pb::DisableSystemRequest { code: "so-y-te".to_owned(), ..Default::default() };
    let answer = hub.admin().access().disable_system(request).await.unwrap();
    answer.into_inner().receipt.unwrap()
}

async fn enable(hub: &Hub, code: &str) -> Result<pb::Receipt, Status> {
    let request = pb::EnableSystemRequest { code: code.to_owned(), ..Default::default() };
    Ok(hub.admin().access().enable_system(request).await?.into_inner().receipt.unwrap())
}

fn duties() -> Grants {
    Grants {
        publish_units: true,
        auditor: true,
        define_indicators: vec!["health.*".to_owned()],
        ..Default::default()
    }
}

/// A hub on which `so-y-te` is registered with grants and a mapping of its status codes.
async fn start() -> Hub {
    let hub = Hub::start().await;
    let statuses = vec![pb::StatusMapping { source_status: "A".to_owned(), state: 1 }];
    let register = pb::RegisterSystemRequest { statuses, ..registration("so-y-te", duties()) };
    hub.admin().access().register_system(register).await.unwrap();
    hub
}

#[tokio::test]
async fn registering_over_an_existing_system_is_refused_and_the_same_again_is_unchanged() {
    let hub = start().await;
    let mut admin = hub.admin().access();
    let before = so_y_te(&hub).await;
    let other = registration("so-y-te", Grants::default());
    let status = admin.register_system(other).await.unwrap_err();
    assert_eq!(current(&status), before.revision);
    let (code, reason, fields) = refusal(Err::<(), _>(status));
    assert_eq!((code, reason.as_str()), (Code::AlreadyExists, "ALREADY_EXISTS"));
    assert_eq!(fields, ["code"]);
    let same = pb::RegisterSystemRequest {
        statuses: before.statuses.clone(),
        ..registration("so-y-te", duties())
    };
    let head = hub.hub.revisions.head();
    let answer = admin.register_system(same.clone()).await.unwrap().into_inner();
    assert_eq!(answer.receipt.unwrap().unchanged, 1);
    assert_eq!((so_y_te(&hub).await, hub.hub.revisions.head()), (before, head));
    // Of a disabled system, not even the same again: it would not be what was asked for.
    disable(&hub).await;
    let (code, reason, _) = refusal(admin.register_system(same).await);
    assert_eq!((code, reason.as_str()), (Code::AlreadyExists, "ALREADY_EXISTS"));
    assert!(so_y_te(&hub).await.disabled);
}

#[tokio::test]
async fn an_update_changes_what_its_mask_names_and_nothing_else() {
    let hub = start().await;
    let before = so_y_te(&hub).await;
    // What the mask does not name is not even read: these statuses and patterns could not be registered.
    let mut request = rename("Sở Y tế");
    let system = request.system.as_mut().unwrap();
    system.statuses = vec![pb::StatusMapping { source_status: String::new(), state: 99 }];
    system.grants = Some(pb::Grants {
        define_indicators: vec!["No Pattern".to_owned()],
        administrator: true,
        ..Default::default()
    });
    assert_eq!(update(&hub, request).await.unwrap().corrected, 1);
    let renamed = so_y_te(&hub).await;
    let expect = pb::RegisteredSystem {
        name: "Sở Y tế".to_owned(),
        revision: renamed.revision,
        ..before.clone()
    };
    assert_eq!(renamed, expect);
    assert!(renamed.revision > before.revision);
    // One duty: the others stay.
    let mut request = rename("");
    request.system.as_mut().unwrap().grants =
        Some(pb::Grants { define_procedures: true, ..Default::default() });
    request.update_mask = mask(&["grants.define_procedures", "grants.auditor"]);
    update(&hub, request).await.unwrap();
    let grants = so_y_te(&hub).await.grants.unwrap();
    let expect = Grants { define_procedures: true, auditor: false, ..duties() };
    assert_eq!(grants, expect.grants());
    // All of them, and what is left out is emptied.
    let request =
        pb::UpdateSystemRequest { update_mask: mask(&["grants", "statuses"]), ..rename("") };
    update(&hub, request.clone()).await.unwrap();
    let emptied = so_y_te(&hub).await;
    assert_eq!(emptied.grants, Some(pb::Grants::default()));
    assert!(emptied.statuses.is_empty());
    assert_eq!(emptied.name, "Sở Y tế");
    // The same again makes no revision.
    let head = hub.hub.revisions.head();
    assert_eq!(update(&hub, request).await.unwrap().unchanged, 1);
    assert_eq!(hub.hub.revisions.head(), head);
}

#[tokio::test]
async fn a_mask_names_fields_that_can_be_changed() {
    let hub = start().await;
    let before = so_y_te(&hub).await;
    let bad: [&[&str]; 9] = [
        &[],
        &[""],
        &["*"],
        &["title"],
        &["code"],
        &["disabled"],
        &["revision"],
        &["grants.publish_dossiers"],
        &["name", "keys"],
    ];
    for paths in bad {
        let request = pb::UpdateSystemRequest { update_mask: mask(paths), ..rename("Khác") };
        let (code, reason, fields) = refusal(update(&hub, request).await);
        assert_eq!((code, reason.as_str()), (Code::InvalidArgument, "FIELD_INVALID"), "{paths:?}");
        assert_eq!(fields, ["update_mask"], "{paths:?}");
    }
    let request = pb::UpdateSystemRequest { update_mask: None, ..rename("Khác") };
    assert_eq!(refusal(update(&hub, request).await).2, ["update_mask"]);
    // Every bad field at once.
    let request = pb::UpdateSystemRequest {
        system: Some(pb::RegisteredSystem { code: "Sở Y tế".to_owned(), ..Default::default() }),
        update_mask: mask(&["name"]),
        expected_revision: Some(-1),
        ..Default::default()
    };
    let (_, _, fields) = refusal(update(&hub, request).await);
    assert_eq!(fields, ["expected_revision", "system.code", "system.name"]);
    assert_eq!(so_y_te(&hub).await, before);
    let nobody = pb::RegisteredSystem { code: "nobody".to_owned(), ..Default::default() };
    let request = pb::UpdateSystemRequest { system: Some(nobody), ..rename("") };
    let request = pb::UpdateSystemRequest { update_mask: mask(&["statuses"]), ..request };
    assert_eq!(refusal(update(&hub, request).await).0, Code::NotFound);
}

#[tokio::test]
async fn of_two_updates_of_one_version_one_wins_and_the_other_learns_what_stands() {
    let hub = start().await;
    for turn in 0..8 {
        let expected_revision = Some(so_y_te(&hub).await.revision);
        let at = |name: String| pb::UpdateSystemRequest { expected_revision, ..rename(&name) };
        let (one, two) = tokio::join!(
            update(&hub, at(format!("Một {turn}"))),
            update(&hub, at(format!("Hai {turn}"))),
        );
        let (won, lost) = match (one, two) {
            (Ok(won), Err(lost)) | (Err(lost), Ok(won)) => (won, lost),
            both => panic!("one must win: {both:?}"),
        };
        let stands = so_y_te(&hub).await.revision;
        assert_eq!((revision(&won), current(&lost)), (stands, stands));
        assert!(
            lost.get_details_retry_info().is_none(),
            "sent again as it is, it is refused again"
        );
        let (code, reason, fields) = refusal(Err::<(), _>(lost));
        assert_eq!((code, reason.as_str()), (Code::Aborted, "REVISION_CONFLICT"));
        assert_eq!(fields, ["expected_revision"]);
    }
    // 0 says that there must be none. What stands as it should replaces nothing.
    let stands = so_y_te(&hub).await;
    let at = |number| pb::UpdateSystemRequest { expected_revision: Some(number), ..rename("Ba") };
    assert_eq!(current(&update(&hub, at(0)).await.unwrap_err()), stands.revision);
    let future = update(&hub, at(stands.revision + 1)).await.unwrap_err();
    assert_eq!(current(&future), stands.revision);
    let same = pb::UpdateSystemRequest { expected_revision: Some(1), ..rename(&stands.name) };
    assert_eq!(update(&hub, same).await.unwrap().unchanged, 1);
    update(&hub, at(stands.revision)).await.unwrap();
}

#[tokio::test]
async fn a_disabled_system_is_changed_and_stays_disabled_until_it_is_enabled() {
    let hub = start().await;
    let key = hub.admin().access().issue_key(issue("so-y-te")).await.unwrap().into_inner().key;
    let client = hub.as_(&key);
    assert_eq!(disable(&hub).await.corrected, 1);
    assert_eq!(disable(&hub).await.unchanged, 1);
    update(&hub, rename("Sở Y tế")).await.unwrap();
    let system = so_y_te(&hub).await;
    assert!(system.disabled);
    assert_eq!((system.name.as_str(), system.grants), ("Sở Y tế", Some(duties().grants())));
    assert_eq!(who_am_i(&client).await.unwrap_err().code(), Code::Unauthenticated);
    // It comes back with all that it had, its keys included.
    assert_eq!(enable(&hub, "so-y-te").await.unwrap().corrected, 1);
    assert_eq!(enable(&hub, "so-y-te").await.unwrap().unchanged, 1);
    let system = who_am_i(&client).await.unwrap();
    assert_eq!((system.disabled, system.grants), (false, Some(duties().grants())));
    assert_eq!(refusal(enable(&hub, "nobody").await).0, Code::NotFound);
}

#[tokio::test]
async fn what_an_update_takes_away_is_gone_when_it_is_answered_at_another_hub_too() {
    let hub = start().await;
    let another = hub.another().await;
    let key = hub.admin().access().issue_key(issue("so-y-te")).await.unwrap().into_inner().key;
    let mut units = another.as_(&key).units();
    let last = Instant::now() + Duration::from_secs(20);
    while units.publish_units(pb::PublishUnitsRequest::default()).await.is_err() {
        assert!(Instant::now() < last, "the other hub does not hear of the key");
        time::sleep(Duration::from_millis(20)).await;
    }
    let grants =
        pb::UpdateSystemRequest { update_mask: mask(&["grants.publish_units"]), ..rename("") };
    update(&hub, grants).await.unwrap();
    let refused = units.publish_units(pb::PublishUnitsRequest::default()).await;
    assert_eq!(refusal(refused).1, "NOT_PERMITTED");
}

#[tokio::test]
async fn a_retried_update_has_one_effect() {
    let hub = start().await;
    let expected_revision = Some(so_y_te(&hub).await.revision);
    let request = pb::UpdateSystemRequest {
        request_id: "u-1".to_owned(),
        expected_revision,
        ..rename("Sở Y tế")
    };
    let first = update(&hub, request.clone()).await.unwrap();
    // Somebody changes it meanwhile: the retry is answered as the first time, and undoes nothing.
    update(&hub, rename("Khác")).await.unwrap();
    let again = update(&hub, request).await.unwrap();
    assert_eq!(
        again,
        pb::Receipt { replayed: true, checkpoint: again.checkpoint.clone(), ..first }
    );
    assert_eq!(so_y_te(&hub).await.name, "Khác");
}

#[tokio::test]
async fn a_retried_key_is_no_second_key_and_is_named() {
    let hub = start().await;
    let mut admin = hub.admin().access();
    let request = pb::IssueKeyRequest { request_id: "k-1".to_owned(), ..issue("so-y-te") };
    let first = admin.issue_key(request.clone()).await.unwrap().into_inner();
    let id = first.issued.clone().unwrap().id;
    assert_eq!(id, id_of(&first.key));
    assert_eq!(so_y_te(&hub).await.keys.len(), 1);
    who_am_i(&hub.as_(&first.key)).await.unwrap();
    let status = admin.issue_key(request.clone()).await.unwrap_err();
    let info = status.get_details_error_info().unwrap();
    assert_eq!(info.metadata.get("key_id"), Some(&id));
    let (code, reason, fields) = refusal(Err::<(), _>(status));
    assert_eq!((code, reason.as_str()), (Code::AlreadyExists, "ALREADY_EXISTS"));
    assert_eq!(fields, ["request_id"]);
    assert_eq!(so_y_te(&hub).await.keys.len(), 1);
    // Another request under its id is refused as such.
    let other = pb::IssueKeyRequest { system: "admin".to_owned(), ..request };
    assert_eq!(refusal(admin.issue_key(other).await).1, "REQUEST_ID_REUSED");
    // A revocation is retried like every write.
    let end = pb::RevokeKeyRequest { request_id: "k-2".to_owned(), ..revoke(&first.key) };
    let one = admin.revoke_key(end.clone()).await.unwrap().into_inner().receipt.unwrap();
    let two = admin.revoke_key(end).await.unwrap().into_inner().receipt.unwrap();
    assert_eq!((one.corrected, one.replayed, two.corrected, two.replayed), (1, false, 1, true));
    // At the same time, too, and whatever the answers: one key is made.
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let mut admin = admin.clone();
        let request = pb::IssueKeyRequest { request_id: "k-3".to_owned(), ..issue("so-y-te") };
        asking.spawn(async move { admin.issue_key(request).await });
    }
    let answers = asking.join_all().await;
    assert_eq!(answers.iter().filter(|it| it.is_ok()).count(), 1, "{answers:?}");
    assert_eq!(so_y_te(&hub).await.keys.len(), 2);
    assert!(!key_of(&hub.admin()).is_empty());
}
