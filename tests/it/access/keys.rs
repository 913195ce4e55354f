//! Keys through the wire: which are accepted, how long they live, and that they are kept nowhere.
use std::{
    fs,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use sharehub::pb;
use tokio::time;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::{
    access::systems::registration,
    support::{
        client::{Client, Grants, Key, all_indicators, refusal},
        hub::Hub,
        program::{Program, admin_key, sharehub},
    },
};

pub async fn who_am_i(client: &Client) -> Result<pb::RegisteredSystem, Status> {
    let answer = client.access().who_am_i(pb::WhoAmIRequest {}).await?.into_inner();
    Ok(answer.system.unwrap())
}

fn in_a_while(from_now: Duration) -> Option<prost_types::Timestamp> {
    let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + from_now;
    let seconds = i64::try_from(at.as_secs()).unwrap();
    let nanos = i32::try_from(at.subsec_nanos()).unwrap();
    Some(prost_types::Timestamp { seconds, nanos })
}

pub fn issue(system: &str) -> pb::IssueKeyRequest {
    pb::IssueKeyRequest { system: system.to_owned(), expires_at: None, ..Default::default() }
}

pub fn key_of(client: &Client) -> &str {
    let Key(key) = &client.key;
    key.as_deref().unwrap()
}

/// The id inside a key.
pub fn id_of(key: &str) -> String {
    key.split('_').nth(1).unwrap().to_owned()
}

pub fn revoke(key: &str) -> pb::RevokeKeyRequest {
    pb::RevokeKeyRequest { key_id: id_of(key), ..Default::default() }
}

// === keys ===

#[tokio::test]
async fn a_system_is_told_who_it_is() {
    let hub = Hub::start().await;
    let grants = Grants { read_dossiers: true, ..all_indicators() };
    let mapping = pb::StatusMapping {
        source_status: "DA_TRA".to_owned(),
        state: pb::DossierState::Returned.into(),
    };
    let client = hub.system_with("so-y-te", grants.clone(), vec![mapping.clone()]).await;
    // A second key, which the first is not told of.
    hub.admin().access().issue_key(issue("so-y-te")).await.unwrap();
    let system = who_am_i(&client).await.unwrap();
    assert_eq!((system.code.as_str(), system.name.as_str()), ("so-y-te", "so-y-te"));
    assert_eq!(system.grants, Some(grants.grants()));
    assert_eq!(system.statuses, [mapping]);
    assert!(!system.disabled);
    let [key] = system.keys.as_slice() else { panic!("{:?}", system.keys) };
    assert_eq!(key.id, id_of(key_of(&client)));
    assert_eq!(key.revoked_at, None);
    let (from, to) = (key.issued_at.unwrap(), key.expires_at.unwrap());
    assert_eq!(to.seconds - from.seconds, 365 * 86_400);
}

#[tokio::test]
async fn every_key_that_is_not_accepted_is_refused_with_the_same_words() {
    let hub = Hub::start().await;
    let mut admin = hub.admin().access();
    let nothing = Grants::default;

    let revoked = hub.system("revoked", nothing()).await;
    who_am_i(&revoked).await.unwrap();
    admin.revoke_key(revoke(key_of(&revoked))).await.unwrap();

    let disabled = hub.system("disabled", nothing()).await;
    who_am_i(&disabled).await.unwrap();
    let disable = pb::DisableSystemRequest { code: "disabled".to_owned(), ..Default::default() };
    admin.disable_system(disable).await.unwrap();

    admin.register_system(registration("expired", nothing())).await.unwrap();
    let soon = in_a_while(Duration::from_secs(2));
    let request = pb::IssueKeyRequest { expires_at: soon, ..issue("expired") };
    let expired = admin.issue_key(request).await.unwrap().into_inner().key;
    let expired = hub.as_(&expired);
    who_am_i(&expired).await.unwrap();
    let last = Instant::now() + Duration::from_secs(10);
    while who_am_i(&expired).await.is_ok() {
        assert!(Instant::now() < last, "the key does not expire");
        time::sleep(Duration::from_millis(50)).await;
    }
    assert!(in_a_while(Duration::ZERO).unwrap().seconds >= soon.unwrap().seconds, "expired early");

    let good = hub.system("good", nothing()).await;
    who_am_i(&good).await.unwrap();
    let good = key_of(&good);
    let (head, secret) = good.split_at(good.len() - 43);
    let mut other_secret = secret.to_owned();
    let last = if other_secret.pop() == Some('A') { 'B' } else { 'A' };
    other_secret.push(last);
    let refused = [
        ("revoked", key_of(&revoked).to_owned()),
        ("disabled", key_of(&disabled).to_owned()),
        ("expired", key_of(&expired).to_owned()),
        ("unknown", "shk_aaaaaaaaaaaa_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".to_owned()),
        ("another's secret", format!("{head}{}", &key_of(&revoked)[good.len() - 43..])),
        ("nearly the secret", format!("{head}{other_secret}")),
        ("no secret", head.to_owned()),
        ("a longer secret", format!("{good}A")),
        ("in capitals", good.to_uppercase()),
        ("without its prefix", good.trim_start_matches("shk_").to_owned()),
        ("nothing", String::new()),
        ("the prefix", "shk_".to_owned()),
        ("underscores", "shk____".to_owned()),
        ("words", "let me in".to_owned()),
        ("long", format!("shk_{}", "a".repeat(4_000))),
    ];
    let mut words = std::collections::BTreeSet::new();
    for (what, key) in refused {
        let status = who_am_i(&hub.as_(&key)).await.expect_err(what);
        let info = status.get_details_error_info().unwrap();
        assert_eq!(status.code(), Code::Unauthenticated, "{what}");
        assert_eq!(info.reason, "ERROR_REASON_CALLER_UNKNOWN", "{what}");
        words.insert(format!("{} {:?}", status.message(), info.metadata));
    }
    assert_eq!(words.len(), 1, "a stranger can tell them apart: {words:?}");
}

#[tokio::test]
async fn two_keys_live_at_most() {
    let hub = Hub::start().await;
    let mut admin = hub.admin().access();
    let first = hub.system("so-y-te", Grants::default()).await;
    let second = admin.issue_key(issue("so-y-te")).await.unwrap().into_inner().key;
    let second = hub.as_(&second);
    let (code, reason, _) = refusal(admin.issue_key(issue("so-y-te")).await);
    assert_eq!((code, reason.as_str()), (Code::AlreadyExists, "ALREADY_EXISTS"));
    // Both work, until one is revoked; then there is room.
    who_am_i(&first).await.unwrap();
    who_am_i(&second).await.unwrap();
    admin.revoke_key(revoke(key_of(&first))).await.unwrap();
    assert_eq!(who_am_i(&first).await.unwrap_err().code(), Code::Unauthenticated);
    who_am_i(&second).await.unwrap();
    let third = admin.issue_key(issue("so-y-te")).await.unwrap().into_inner().key;
    who_am_i(&hub.as_(&third)).await.unwrap();
    // At the same time, too.
    admin.register_system(registration("so-tai-chinh", Grants::default())).await.unwrap();
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let mut admin = admin.clone();
        asking.spawn(async move { admin.issue_key(issue("so-tai-chinh")).await.is_ok() });
    }
    let issued = asking.join_all().await.into_iter().filter(|it| *it).count();
    assert_eq!(issued, 2);
}

#[tokio::test]
async fn a_key_lives_a_year_and_a_day_at_most() {
    let hub = Hub::start().await;
    let mut admin = hub.admin().access();
    admin.register_system(registration("so-y-te", Grants::default())).await.unwrap();
    let past = Some(prost_types::Timestamp { seconds: 1_577_836_800, nanos: 0 });
    let far = in_a_while(Duration::from_secs(367 * 86_400));
    let odd = Some(prost_types::Timestamp { seconds: 1, nanos: -1 });
    let never = Some(prost_types::Timestamp { seconds: i64::MAX, nanos: 0 });
    for expires_at in [past, far, odd, never, in_a_while(Duration::ZERO)] {
        let request = pb::IssueKeyRequest { expires_at, ..issue("so-y-te") };
        let (code, reason, fields) = refusal(admin.issue_key(request).await);
        assert_eq!((code, reason.as_str()), (Code::InvalidArgument, "FIELD_INVALID"));
        assert_eq!(fields, ["expires_at"], "{expires_at:?}");
    }
    assert_eq!(refusal(admin.issue_key(issue("nobody")).await).0, Code::NotFound);
    let (code, _, fields) = refusal(admin.issue_key(issue("No Code")).await);
    assert_eq!((code, fields), (Code::InvalidArgument, vec!["system".to_owned()]));
}

#[tokio::test]
async fn no_call_that_begins_after_a_revocation_is_allowed() {
    let hub = Hub::start().await;
    let mut admin = hub.admin().access();
    admin.register_system(registration("so-y-te", Grants::default())).await.unwrap();
    for turn in 0..50 {
        let key = admin.issue_key(issue("so-y-te")).await.unwrap().into_inner().key;
        let client = hub.as_(&key);
        // The answer that issued it is enough for it to be known.
        who_am_i(&client).await.unwrap_or_else(|err| panic!("turn {turn}: not yet known: {err:?}"));
        // Others call with it all the while.
        let calling = tokio::spawn({
            let client = client.clone();
            async move { while who_am_i(&client).await.is_ok() {} }
        });
        let receipt = admin.revoke_key(revoke(&key)).await.unwrap().into_inner().receipt.unwrap();
        let after = who_am_i(&client).await;
        assert_eq!(after.unwrap_err().code(), Code::Unauthenticated, "turn {turn}");
        assert_eq!(receipt.corrected, 1);
        time::timeout(Duration::from_secs(10), calling).await.unwrap().unwrap();
        let again = admin.revoke_key(revoke(&key)).await.unwrap().into_inner().receipt.unwrap();
        assert_eq!(again.unchanged, 1);
    }
    let unknown = pb::RevokeKeyRequest { key_id: "aaaaaaaaaaaa".to_owned(), ..Default::default() };
    assert_eq!(refusal(admin.revoke_key(unknown).await).0, Code::NotFound);
}

#[tokio::test]
async fn a_key_is_kept_nowhere() {
    let dir = tempfile::tempdir().unwrap();
    let first = admin_key(dir.path()).await;
    // As much as can be logged.
    let mut program = Program::serve(dir.path(), &["--log", "trace"]).await;
    let mut access = program.as_(&first).access();
    access.register_system(registration("so-y-te", Grants::default())).await.unwrap();
    let issued = access.issue_key(issue("so-y-te")).await.unwrap().into_inner();
    let second = issued.key;
    assert_eq!(issued.issued.unwrap().id, id_of(&second));
    let client = program.as_(&second);
    who_am_i(&client).await.unwrap();
    access.list_systems(pb::ListSystemsRequest::default()).await.unwrap();
    refusal(client.access().list_systems(pb::ListSystemsRequest::default()).await);
    // One that is nearly right.
    let wrong = format!("{second}x");
    refusal(program.as_(&wrong).access().who_am_i(pb::WhoAmIRequest {}).await);
    let ran = sharehub(
        dir.path(),
        &["call", "--target", &program.target(), "--key", &second, "AccessService/WhoAmI"],
    )
    .await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    access.revoke_key(revoke(&second)).await.unwrap();
    program.kill();
    let log = fs::read_to_string(&program.log).unwrap();
    assert!(log.contains("RegisterSystem"), "nothing was logged");
    let mut looked_at = 0;
    for file in fs::read_dir(dir.path()).unwrap() {
        let path = file.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        looked_at += 1;
        for key in [&first, &second] {
            let secret = key.splitn(3, '_').nth(2).unwrap();
            let raw = B64.decode(secret).unwrap();
            assert_eq!(raw.len(), 32);
            for what in [secret.as_bytes(), &raw] {
                let found = bytes.windows(what.len()).any(|it| it == what);
                assert!(!found, "{} holds the secret of a key", path.display());
            }
        }
    }
    assert!(looked_at >= 2);
    assert!(!format!("{ran:?}").contains(&second));
}
