//! Systems through the wire: registering, disabling and listing them, and who may.
use sharehub::pb;
use tonic::Code;
use tonic_types::StatusExt;

use crate::{
    access::keys::{issue, key_of, revoke, who_am_i},
    support::{
        client::{Grants, all_indicators, refusal, update_of},
        hub::Hub,
    },
};

#[expect(clippy::needless_pass_by_value, reason = "it is made where this is called")]
pub fn registration(code: &str, grants: Grants) -> pb::RegisterSystemRequest {
    pb::RegisterSystemRequest {
        code: code.to_owned(),
        name: code.to_owned(),
        grants: Some(grants.grants()),
        ..Default::default()
    }
}

#[tokio::test]
async fn a_disabled_system_comes_back_by_enabling_it() {
    let hub = Hub::start().await;
    let mut admin = hub.admin().access();
    let client = hub.system("so-y-te", Grants::default()).await;
    let disable = pb::DisableSystemRequest { code: "so-y-te".to_owned(), ..Default::default() };
    let receipt = admin.disable_system(disable.clone()).await.unwrap().into_inner().receipt;
    assert_eq!(receipt.unwrap().corrected, 1);
    assert_eq!(who_am_i(&client).await.unwrap_err().code(), Code::Unauthenticated);
    // Twice is once.
    let receipt = admin.disable_system(disable).await.unwrap().into_inner().receipt.unwrap();
    assert_eq!(receipt.unchanged, 1);
    let enable = pb::EnableSystemRequest { code: "so-y-te".to_owned(), ..Default::default() };
    admin.enable_system(enable).await.unwrap();
    who_am_i(&client).await.unwrap();
    let unknown = pb::DisableSystemRequest { code: "nobody".to_owned(), ..Default::default() };
    assert_eq!(refusal(admin.disable_system(unknown).await).0, Code::NotFound);
}

// === grants ===

#[tokio::test]
async fn only_administrators_administer() {
    let hub = Hub::start().await;
    let everything_else = Grants {
        publish_units: true,
        define_procedures: true,
        publish_dossiers: true,
        read_dossiers: true,
        read_personal_data: true,
        ..all_indicators()
    };
    let mut other = hub.system("so-y-te", everything_else.clone()).await.access();
    let promotion = Grants { administrator: true, ..everything_else };
    let disable = pb::DisableSystemRequest { code: "admin".to_owned(), ..Default::default() };
    let admin = hub.admin();
    let refused = [
        other.register_system(registration("so-y-te", promotion)).await.map(drop),
        other.list_systems(pb::ListSystemsRequest::default()).await.map(drop),
        other.disable_system(disable).await.map(drop),
        other.update_system(update_of(registration("so-y-te", Grants::default()))).await.map(drop),
        other.enable_system(pb::EnableSystemRequest::default()).await.map(drop),
        other.issue_key(issue("so-y-te")).await.map(drop),
        other.revoke_key(revoke(key_of(&admin))).await.map(drop),
    ];
    for refused in refused {
        let info = refused.as_ref().unwrap_err().get_details_error_info().unwrap();
        assert_eq!(info.metadata.get("grant").map(String::as_str), Some("administrator"));
        let (code, reason, fields) = refusal(refused);
        assert_eq!((code, reason.as_str()), (Code::PermissionDenied, "NOT_PERMITTED"));
        assert!(fields.is_empty());
    }
    // Whether what they name exists, they do not learn.
    let unknown = pb::DisableSystemRequest { code: "nobody".to_owned(), ..Default::default() };
    assert_eq!(refusal(other.disable_system(unknown).await).0, Code::PermissionDenied);
    let unknown = pb::RevokeKeyRequest { key_id: "aaaaaaaaaaaa".to_owned(), ..Default::default() };
    assert_eq!(refusal(other.revoke_key(unknown).await).0, Code::PermissionDenied);
    assert_eq!(refusal(other.issue_key(issue("nobody")).await).0, Code::PermissionDenied);
    // Nothing of it was done.
    assert!(!who_am_i(&admin).await.unwrap().disabled);
    assert!(
        !other
            .who_am_i(pb::WhoAmIRequest {})
            .await
            .unwrap()
            .into_inner()
            .system
            .unwrap()
            .grants
            .unwrap()
            .administrator
    );
}

#[tokio::test]
async fn updating_a_system_replaces_its_grants_at_once() {
    let hub = Hub::start().await;
    let mut admin = hub.admin().access();
    let grants = |publish_units| Grants { publish_units, ..Default::default() };
    let mut units = hub.system("so-noi-vu", grants(true)).await.units();
    let nothing = pb::PublishUnitsRequest::default;
    units.publish_units(nothing()).await.unwrap();
    for _ in 0..10 {
        let less = update_of(registration("so-noi-vu", grants(false)));
        admin.update_system(less).await.unwrap();
        let status = units.publish_units(nothing()).await.unwrap_err();
        let info = status.get_details_error_info().unwrap();
        assert_eq!(status.code(), Code::PermissionDenied);
        assert_eq!(info.metadata.get("grant").map(String::as_str), Some("publish_units"));
        let more = update_of(registration("so-noi-vu", grants(true)));
        admin.update_system(more).await.unwrap();
        units.publish_units(nothing()).await.unwrap();
    }
    // The same again is no change and no revision.
    let before = hub.hub.revisions.head();
    let again = admin.register_system(registration("so-noi-vu", grants(true))).await.unwrap();
    let receipt = again.into_inner().receipt.unwrap();
    assert_eq!((receipt.unchanged, receipt.created, receipt.corrected), (1, 0, 0));
    assert_eq!(hub.hub.revisions.head(), before);
}

#[tokio::test]
async fn a_bad_registration_is_refused_with_every_field() {
    let hub = Hub::start().await;
    let mut admin = hub.admin().access();
    let patterns = ["*", "Health", "", "a.*.b", "a\u{0}"];
    let grants = pb::Grants {
        define_indicators: patterns.iter().map(|it| (*it).to_owned()).collect(),
        ..Default::default()
    };
    let status = |code: &str, state| pb::StatusMapping { source_status: code.to_owned(), state };
    let request = pb::RegisterSystemRequest {
        request_id: "x".repeat(129),
        code: "Sở Y tế".to_owned(),
        name: " ".to_owned(),
        grants: Some(grants),
        statuses: vec![status("A", 1), status("A", 2), status("", 3), status("B", 11)],
        ..Default::default()
    };
    let before = hub.hub.revisions.head();
    let (code, reason, fields) = refusal(admin.register_system(request).await);
    assert_eq!((code, reason.as_str()), (Code::InvalidArgument, "FIELD_INVALID"));
    let expected = [
        "request_id",
        "code",
        "name",
        "grants.define_indicators[1]",
        "grants.define_indicators[2]",
        "grants.define_indicators[3]",
        "grants.define_indicators[4]",
        "statuses[1].source_status",
        "statuses[2].source_status",
        "statuses[3].state",
    ];
    assert_eq!(fields, expected);
    assert_eq!(hub.hub.revisions.head(), before);
    for code in ["", "a_b", "a..b", ".a", "a-", "a b", "A", "é", "a\u{0}", &"a".repeat(65)] {
        let (status, _, fields) = refusal(
            admin
                .register_system(pb::RegisterSystemRequest {
                    name: "A".to_owned(),
                    ..registration(code, Grants::default())
                })
                .await,
        );
        assert_eq!((status, fields), (Code::InvalidArgument, vec!["code".to_owned()]), "{code:?}");
    }
}

#[tokio::test]
async fn systems_are_listed_in_pages_at_one_revision() {
    let hub = Hub::start().await;
    let mut admin = hub.admin().access();
    for number in [3, 1, 4, 0, 2] {
        hub.system(&format!("so-{number}"), Grants::default()).await;
    }
    let page = |size, token: &str| pb::ListSystemsRequest {
        page: Some(pb::PageRequest { size, token: token.to_owned() }),
        ..Default::default()
    };
    let mut codes = Vec::new();
    let (mut token, mut pages, mut revision) = (String::new(), 0, None);
    loop {
        let answer = admin.list_systems(page(2, &token)).await.unwrap().into_inner();
        let read_at = answer.read_at.unwrap().number;
        assert_eq!(*revision.get_or_insert(read_at), read_at);
        pages += 1;
        codes.extend(answer.systems.into_iter().map(|it| {
            assert_eq!(it.keys.len(), 1, "{it:?}");
            it.code
        }));
        token = answer.next_page_token;
        if token.is_empty() {
            break;
        }
        // What comes meanwhile comes too late for this list.
        hub.system(&format!("so-3-{pages}"), Grants::default()).await;
    }
    assert_eq!(codes, ["admin", "so-0", "so-1", "so-2", "so-3", "so-4"]);
    assert_eq!(pages, 3);
    let all = admin.list_systems(pb::ListSystemsRequest::default()).await.unwrap().into_inner();
    assert_eq!(all.systems.len(), 8);
    // A token is good for its own question and its own caller.
    let token = admin.list_systems(page(2, "")).await.unwrap().into_inner().next_page_token;
    let administrator = Grants { administrator: true, ..Default::default() };
    let mut other = hub.system("other", administrator).await.access();
    let (_, reason, fields) = refusal(other.list_systems(page(2, &token)).await);
    assert_eq!((reason.as_str(), fields), ("FIELD_INVALID", vec!["page.token".to_owned()]));
    for bad in [page(-1, ""), page(1_001, ""), page(2, "junk"), page(2, &format!("{token}A"))] {
        let (code, ..) = refusal(admin.list_systems(bad).await);
        assert_eq!(code, Code::InvalidArgument);
    }
}

#[tokio::test]
async fn a_retried_registration_has_one_effect() {
    let hub = Hub::start().await;
    let mut admin = hub.admin().access();
    let request = pb::RegisterSystemRequest {
        request_id: "r-1".to_owned(),
        ..registration("so-y-te", Grants::default())
    };
    let first = admin.register_system(request.clone()).await.unwrap().into_inner();
    let first = first.receipt.unwrap();
    assert_eq!((first.created, first.replayed), (1, false));
    // Something else happens to it.
    let grants = Grants { publish_units: true, ..Default::default() };
    admin.update_system(update_of(registration("so-y-te", grants.clone()))).await.unwrap();
    let head = hub.hub.revisions.head();
    let again = admin.register_system(request.clone()).await.unwrap().into_inner();
    let again = again.receipt.unwrap();
    assert!(again.replayed);
    assert_eq!(pb::Receipt { replayed: false, ..again }, first, "another answer");
    assert_eq!(hub.hub.revisions.head(), head);
    let other = pb::RegisterSystemRequest { name: "Another".to_owned(), ..request.clone() };
    let (code, reason, fields) = refusal(admin.register_system(other).await);
    assert_eq!((code, reason.as_str()), (Code::AlreadyExists, "REQUEST_ID_REUSED"));
    assert_eq!(fields, ["request_id"]);
    let disable =
        pb::DisableSystemRequest { request_id: "r-1".to_owned(), code: "so-y-te".to_owned() };
    assert_eq!(refusal(admin.disable_system(disable).await).1, "REQUEST_ID_REUSED");
    // Another system's ids are its own.
    let administrator = Grants { administrator: true, ..Default::default() };
    let mut other = hub.system("other", administrator).await.access();
    assert_eq!(refusal(other.register_system(request.clone()).await).1, "ALREADY_EXISTS");
    let same = registration("so-y-te", grants.clone());
    let same = pb::RegisterSystemRequest { request_id: "r-1".to_owned(), ..same };
    let fresh = other.register_system(same).await.unwrap().into_inner().receipt.unwrap();
    assert_eq!((fresh.unchanged, fresh.replayed), (1, false));
    // Sent many times at once, it is done once.
    let request = pb::RegisterSystemRequest {
        request_id: "r-2".to_owned(),
        ..registration("so-tai-chinh", grants)
    };
    let mut sending = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let (mut admin, request) = (admin.clone(), request.clone());
        sending.spawn(async move {
            admin.register_system(request).await.unwrap().into_inner().receipt.unwrap()
        });
    }
    let receipts = sending.join_all().await;
    assert_eq!(receipts.iter().filter(|it| !it.replayed).count(), 1, "{receipts:?}");
    assert!(receipts.iter().all(|it| it.created == 1 && it.revision == receipts[0].revision));
}
