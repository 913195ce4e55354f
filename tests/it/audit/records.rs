//! The audit log: every call leaves its record, with its effect or before its answer.
use std::{collections::BTreeMap, time::Duration};

use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage};
use sea_orm::{ConnectionTrait, Database};
use sharehub::{limits::Limits, pb};
use tokio::time;
use tonic::Code;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use crate::{
    support::{
        audit::{get, publish, records, sql, start, start_with, written},
        client::{Grants, Key, PURPOSE, all_indicators, refusal},
        history::{History, indicators},
        hub::{Hub, slow},
        raw::{Raw, frame, post},
    },
    wire::schema::{policies, watch_token},
};

/// Whose calls leave no record, and why: they show no data but the caller's own, or only hashes.
const SILENT: [&str; 5] = [
    "AccessService/WhoAmI",
    "AuditService/GetCheckpoint",
    "AuditService/ProveConsistency",
    "AuditService/ProveInclusion",
    "HubService/GetInfo",
];

#[tokio::test]
async fn every_method_leaves_exactly_one_record() {
    let hub = Hub::start().await;
    let nothing = hub.system("nothing", Grants::default()).await;
    let (token, Key(key)) = (watch_token(&nothing).await, nothing.key.clone());
    let raw = Raw::connect(hub.address).await;
    let pool = DescriptorPool::decode(pb::DESCRIPTORS).unwrap();
    for (method, _, json) in policies() {
        let (service, name) = method.split_once('/').unwrap();
        let service = pool.get_service_by_name(&format!("sharehub.v1.{service}")).unwrap();
        let found = service.methods().find(|it| it.name() == name).unwrap();
        let json = json.replace("{token}", &token);
        let mut json = serde_json::Deserializer::from_str(&json);
        let message = DynamicMessage::deserialize(found.input(), &mut json).unwrap();
        for (key, of) in [(None, "nobody"), (key.as_deref(), "somebody")] {
            let body = axum::body::Body::from(frame(&message.encode_to_vec()));
            let call = post(&format!("/sharehub.v1.{method}"), key)
                .header("x-request-id", format!("{method}:{of}").replace('/', "."))
                .header("grpc-timeout", "1S")
                .body(body)
                .unwrap();
            raw.call(call).await;
        }
    }
    let mut of: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for record in records(&hub).await {
        of.entry(record.request_id.clone()).or_default().push(record);
    }
    for (method, ..) in policies() {
        let named = method.replace('/', ".");
        let refused = of.remove(&format!("{named}:nobody")).unwrap_or_default();
        let [refused] = refused.as_slice() else { panic!("{method}: {refused:?}") };
        assert_eq!((refused.method.as_str(), refused.system.as_str()), (method, ""));
        assert_eq!(refused.outcome, "UNAUTHENTICATED");
        assert_eq!(refused.reason(), pb::ErrorReason::CallerUnknown);
        let records = of.remove(&format!("{named}:somebody")).unwrap_or_default();
        if SILENT.contains(&method) {
            assert!(records.iter().all(|it| it.outcome != "OK"), "{method}: {records:?}");
            continue;
        }
        let is_end = |it: &&pb::AuditRecord| {
            matches!(it.phase(), pb::AuditPhase::Whole | pb::AuditPhase::Closed)
        };
        let ends: Vec<_> = records.iter().filter(is_end).collect();
        let [end] = ends.as_slice() else { panic!("{method}: {records:?}") };
        assert_eq!((end.method.as_str(), end.system.as_str()), (method, "nothing"));
        assert!(end.credential.starts_with("key "), "{end:?}");
        let opened = records.iter().filter(|it| it.phase() == pb::AuditPhase::Opened).count();
        assert_eq!(opened, usize::from(end.phase() == pb::AuditPhase::Closed), "{method}");
    }
}

#[tokio::test]
async fn records_have_numbers_without_a_gap_and_times_in_order() {
    let (hub, _source, reader) = start().await;
    let another = hub.another().await;
    let there = another.by_certificate("ioc").await;
    let mut calls = tokio::task::JoinSet::new();
    for i in 0..60 {
        let client = if i % 2 == 0 { reader.clone() } else { there.clone() };
        calls.spawn(async move { get(&client, "H1.1").await.unwrap() });
    }
    calls.join_all().await;
    written(&another).await;
    let records = records(&hub).await;
    for (record, seq) in records.iter().zip(1..) {
        assert_eq!(record.seq, seq);
    }
    let times: Vec<_> = records.iter().map(|it| it.at.unwrap()).collect();
    assert!(times.is_sorted_by_key(|it| (it.seconds, it.nanos)));
    let gets = records.iter().filter(|it| it.method == "DossierService/GetDossier");
    assert_eq!(gets.count(), 60, "no answer without a record");
}

#[tokio::test]
async fn a_write_is_recorded_in_its_own_commit() {
    let (hub, source, _) = start().await;
    let receipt = publish(&source, &["H2.1", "H2.2"]).await.unwrap();
    // Not waited for: it is there as soon as the write is.
    let request = pb::ListRecordsRequest {
        method: "DossierService/PublishDossiers".to_owned(),
        system: "mot-cua".to_owned(),
        ..Default::default()
    };
    let list = hub.admin().audit().list_records(request).await.unwrap().into_inner();
    let last = list.records.last().unwrap();
    assert_eq!(last.revision, receipt.revision.unwrap().number);
    assert_eq!((last.items, last.outcome.as_str()), (2, "OK"));
    assert_eq!(last.phase(), pb::AuditPhase::Whole);
    assert!(last.asked.contains("H2.1") && last.asked.contains("(withheld)"), "{}", last.asked);
    // Nothing of it is personal.
    let db = Database::connect(&hub.store.url).await.unwrap();
    let backend = db.get_database_backend();
    let ask = sea_orm::Statement::from_string(backend, "SELECT body FROM audit_record");
    for row in db.query_all_raw(ask).await.unwrap() {
        let body: Vec<u8> = row.try_get("", "body").unwrap();
        let text = String::from_utf8_lossy(&body);
        assert!(!text.contains("Hoa") && !text.contains("079203001234"), "{text}");
    }
    // Every revision was made by something that is on record.
    let all = records(&hub).await;
    let head = hub.hub.revisions.head().newest.number;
    for revision in 1..=head {
        let made =
            all.iter().filter(|it| it.revision == revision && !it.method.starts_with("Audit"));
        assert!(made.count() > 0, "revision {revision}");
    }
}

#[tokio::test]
async fn who_saw_personal_data_is_on_record_before_it_is_seen() {
    let (hub, _source, reader) = start().await;
    assert!(get(&reader, "H1.1").await.unwrap().applicant.is_some());
    // Already there.
    let mut audit = hub.admin().audit();
    let of = |dossier: &str| pb::ListAccessToSubjectRequest {
        dossier: dossier.to_owned(),
        ..Default::default()
    };
    let seen = audit.list_access_to_subject(of("H1.1")).await.unwrap().into_inner().records;
    let [seen] = seen.as_slice() else { panic!("{seen:?}") };
    assert_eq!((seen.system.as_str(), seen.items), ("ioc", 1));
    assert!(seen.personal_data);
    assert_eq!(seen.subjects, ["H1.1"]);
    let why = (seen.purpose.as_str(), seen.agreement.as_str(), seen.tier());
    assert_eq!(why, (PURPOSE, "ioc.read-dossiers", pb::PersonalDataTier::Full));
    assert!(seen.credential.starts_with("certificate "), "{}", seen.credential);
    // A page names all of them; an export each page that it sends.
    reader.dossiers().list_dossiers(pb::ListDossiersRequest::default()).await.unwrap();
    let export = pb::ExportDossiersRequest::default();
    let mut export = reader.dossiers().export_dossiers(export).await.unwrap().into_inner();
    while export.message().await.unwrap().is_some() {}
    let seen = audit.list_access_to_subject(of("H1.2")).await.unwrap().into_inner().records;
    let phases: Vec<_> = seen.iter().map(|it| (it.method.as_str(), it.phase())).collect();
    assert_eq!(
        phases,
        [
            ("DossierService/ListDossiers", pb::AuditPhase::Whole),
            ("DossierService/ExportDossiers", pb::AuditPhase::Part)
        ]
    );
    assert!(seen.iter().all(|it| it.subjects.len() == 3));
    // Who may not see it has seen nothing.
    let grants = Grants { read_dossiers: true, ..Default::default() };
    let other = hub.system("other", grants).await;
    assert!(get(&other, "H1.1").await.unwrap().applicant.is_none());
    let seen = records(&hub).await.into_iter().filter(|it| it.system == "other");
    assert!(seen.into_iter().all(|it| !it.personal_data && it.subjects.is_empty()));
    // Nor may it see the log of others.
    let answer = other.audit().list_access_to_subject(of("H1.1")).await;
    assert_eq!(refusal(answer).0, Code::PermissionDenied);
    let own = other.audit().list_records(pb::ListRecordsRequest::default()).await.unwrap();
    let own = own.into_inner().records;
    assert!(!own.is_empty() && own.iter().all(|it| it.system == "other"));
    let grants = Grants { auditor: true, ..Default::default() };
    let auditor = hub.system("auditor", grants).await;
    let seen = auditor.audit().list_access_to_subject(of("H1.1")).await.unwrap().into_inner();
    assert_eq!(seen.records.len(), 3);
    // A person is found by what it is known by; what was asked is not on record.
    let by = |number: &str| {
        let key = pb::applicant_key::Key::IdentityNumber(number.to_owned());
        let applicant = Some(pb::ApplicantKey { key: Some(key) });
        pb::ListAccessToSubjectRequest { applicant, ..Default::default() }
    };
    let of_person = async |number: &str| {
        let answer = auditor.audit().list_access_to_subject(by(number)).await;
        answer.unwrap().into_inner().records.len()
    };
    assert_eq!(of_person("079 203 001 234").await, 3);
    assert_eq!(of_person("079203001235").await, 0);
    let both = pb::ListAccessToSubjectRequest { dossier: "H1.1".to_owned(), ..by("079203001234") };
    let answer = auditor.audit().list_access_to_subject(both).await;
    assert_eq!(refusal(answer).2, ["dossier"]);
    let records = records(&hub).await;
    let asked = records.iter().filter(|it| it.asked.contains("applicant"));
    assert!(asked.count() >= 3 && records.iter().all(|it| !it.asked.contains("0792030012")));
    // A refusal names what was asked for, too.
    let keyed =
        pb::IssueKeyRequest { system: "ioc".to_owned(), expires_at: None, ..Default::default() };
    let keyed = hub.admin().access().issue_key(keyed).await.unwrap().into_inner().key;
    let (code, reason, _) = refusal(get(&hub.as_(&keyed), "H1.1").await);
    assert_eq!((code, reason.as_str()), (Code::PermissionDenied, "CERTIFICATE_REQUIRED"));
    let last = self::records(&hub).await.into_iter().rfind(|it| it.system == "ioc").unwrap();
    assert_eq!((last.purpose.as_str(), last.agreement.as_str()), (PURPOSE, ""));
    assert_eq!(last.reason(), pb::ErrorReason::CertificateRequired);
}

#[tokio::test]
async fn receipts_and_bookmarks_carry_checkpoints() {
    let (hub, source, _) = start().await;
    let checkpoint = async || {
        let answer = hub.admin().audit().get_checkpoint(pb::GetCheckpointRequest {}).await;
        answer.unwrap().into_inner()
    };
    let pb::GetCheckpointResponse { checkpoint: first, public_key } = checkpoint().await;
    assert_eq!(public_key, hub.hub.audit.key().public().to_string());
    let receipt = publish(&source, &["H3.1"]).await.unwrap();
    assert!(receipt.checkpoint.starts_with("sharehub-audit-"), "{}", receipt.checkpoint);
    assert!(
        sharehub::log::checkpoint::Checkpoint::open(&first, hub.hub.audit.key().public()).is_some()
    );
    let reader = hub.system("all", all_indicators()).await;
    let mut history = History::of(vec![indicators(&["*"])]);
    let mut watch = history.watch(&reader, None).await.unwrap();
    let message = watch.message().await.unwrap().unwrap();
    let Some(pb::watch_response::Message::Bookmark(bookmark)) = message.message else {
        panic!("{message:?}")
    };
    assert!(bookmark.checkpoint.starts_with("sharehub-audit-"), "{bookmark:?}");
    // A thousand records make another one.
    let mut units = source.units();
    for _ in 0..1_100 {
        let unit = crate::support::client::id(1);
        units.get_unit(pb::GetUnitRequest { unit, ..Default::default() }).await.unwrap();
    }
    written(&hub).await;
    assert_ne!(checkpoint().await.checkpoint, first);
}

#[tokio::test]
async fn without_the_log_no_personal_data_is_answered_and_nothing_is_published() {
    let grace = Duration::from_secs(4);
    let (hub, source, reader) = start_with(Limits { audit_grace: grace, ..slow() }).await;
    let grants = Grants { read_dossiers: true, ..Default::default() };
    let other = hub.system("other", grants).await;
    let health = async || {
        let service = "sharehub.audit".to_owned();
        let mut client = HealthClient::new(hub.channel.clone());
        client.check(HealthCheckRequest { service }).await.unwrap().into_inner().status()
    };
    use tonic_health::pb::health_check_response::ServingStatus::{NotServing, Serving};
    assert_eq!(health().await, Serving);
    written(&hub).await;
    let before = records(&hub).await.len();
    written(&hub).await;
    sql(&hub, &["ALTER TABLE audit_record RENAME TO audit_gone"]).await;
    let unavailable = (Code::Unavailable, "AUDIT_UNAVAILABLE".to_owned(), Vec::new());
    assert_eq!(refusal(get(&reader, "H1.1").await), unavailable);
    assert_eq!(refusal(publish(&source, &["H4.1"]).await), unavailable);
    assert_eq!(refusal(get(&reader, "H1.1").await), unavailable);
    // The rest goes on, and says so.
    assert!(get(&other, "H1.1").await.is_ok());
    assert_eq!(health().await, NotServing);
    time::sleep(grace).await;
    assert_eq!(refusal(get(&other, "H1.1").await), unavailable, "for a while");
    assert!(other.access().who_am_i(pb::WhoAmIRequest {}).await.is_ok(), "shows no data");
    // When it comes back, what was answered meanwhile is on record, and what was refused as well.
    sql(&hub, &["ALTER TABLE audit_gone RENAME TO audit_record"]).await;
    while hub.hub.audit.follow().borrow().fails_since.is_some() {
        time::sleep(Duration::from_millis(50)).await;
    }
    assert!(get(&reader, "H1.1").await.is_ok());
    publish(&source, &["H4.1"]).await.unwrap();
    assert_eq!(health().await, Serving);
    let told: Vec<_> = records(&hub)
        .await
        .into_iter()
        .skip(before + 1)
        .filter(|it| it.method.starts_with("Dossier"))
        .map(|it| (it.system, it.outcome, it.personal_data))
        .collect();
    let told: Vec<_> = told.iter().map(|(a, b, c)| (a.as_str(), b.as_str(), *c)).collect();
    assert_eq!(
        told,
        [
            ("ioc", "UNAVAILABLE", false),
            ("mot-cua", "UNAVAILABLE", false),
            ("ioc", "UNAVAILABLE", false),
            ("other", "OK", false),
            ("ioc", "OK", true),
            ("mot-cua", "OK", false),
        ]
    );
}

#[tokio::test]
async fn refusals_that_come_too_fast_are_counted() {
    let hub = Hub::start().await;
    let stranger = hub.as_("shk_aaaaaaaaaaaa_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    const CALLS: i64 = 400;
    let call = async || {
        let unit = crate::support::client::id(1);
        stranger.units().get_unit(pb::GetUnitRequest { unit, ..Default::default() }).await
    };
    for _ in 0..CALLS {
        call().await.unwrap_err();
    }
    // Later there is room for one again, which says how many there were.
    time::sleep(Duration::from_millis(300)).await;
    call().await.unwrap_err();
    let refused: Vec<_> =
        records(&hub).await.into_iter().filter(|it| it.outcome == "UNAUTHENTICATED").collect();
    let recorded = i64::try_from(refused.len()).unwrap();
    assert!((100..CALLS).contains(&recorded), "{recorded}");
    let left_out: i64 = refused.iter().map(|it| it.left_out).sum();
    assert_eq!(recorded + left_out, CALLS + 1);
}

#[tokio::test]
async fn a_store_knows_the_key_of_its_log() {
    let hub = Hub::start().await;
    let other = sharehub::log::key::Key::from_seed(&[9; 32]).unwrap();
    let db = sharehub::db::Db::open(&hub.store.url).await.unwrap();
    let err = sharehub::server::start(db, slow(), other).await.unwrap_err();
    assert!(err.to_string().contains("audit_key"), "{err}");
}
