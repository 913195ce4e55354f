//! Personal data: sealed where it is kept, found by digests, opened with old keys, and erased on lawful request.
use std::fs;

use sea_orm::{ConnectionTrait, Database, DbBackend, Statement};
use sharehub::{
    db::{Db, Options},
    dossier::store::erase,
    pb,
    personal::vault::{DataKeys, Vault},
    wire::projection::Project,
};
use tonic::Code;

use crate::support::{
    client::{Client, Grants, exactly, gso, refusal},
    engine::{Store, is_postgres},
    hub::Hub,
};

const NUMBER: &str = "083301001234";

/// What must not be found anywhere in the store.
const CANARIES: [&str; 6] = [
    "Nguyễn Thị Hoàng Yến",
    NUMBER,
    "0912345678",
    "hoang.yen@example.vn",
    "12 Hùng Vương",
    "bà Yến đã bổ sung sổ hộ khẩu",
];

fn applicant() -> pb::Applicant {
    let [name, identity_number, phone, email, address, _] = CANARIES.map(str::to_owned);
    pb::Applicant { name, identity_number, phone, email, address }
}

pub fn event(id: &str, note: &str) -> pb::DossierEventEntry {
    let occurred_at = Some(prost_types::Timestamp { seconds: 1_760_000_000, nanos: 0 });
    let (event_id, note) = (id.to_owned(), note.to_owned());
    pb::DossierEventEntry {
        event_id,
        occurred_at,
        source_status: "2".to_owned(),
        note,
        ..Default::default()
    }
}

pub fn entry(code: &str, applicant: Option<pb::Applicant>) -> pb::DossierEntry {
    pb::DossierEntry {
        code: code.to_owned(),
        procedure: "1.004194".to_owned(),
        receiving_unit: gso("28915", ""),
        applicant,
        events: vec![event("1", CANARIES[5])],
        ..Default::default()
    }
}

pub async fn source(hub: &Hub) -> Client {
    let grants = Grants { publish_dossiers: true, define_procedures: true, ..Default::default() };
    let source = hub.system("mot-cua", grants).await;
    let procedure = pb::Procedure {
        code: "1.004194".to_owned(),
        name: "Đăng ký".to_owned(),
        ..Default::default()
    };
    let define = pb::DefineProceduresRequest { procedures: vec![procedure], ..Default::default() };
    source.dossiers().define_procedures(define).await.unwrap();
    source
}

pub async fn reader(hub: &Hub, code: &str, read_personal_data: bool) -> Client {
    hub.system(code, Grants { read_dossiers: true, read_personal_data, ..Default::default() }).await
}

pub async fn publish(source: &Client, dossiers: Vec<pb::DossierEntry>) -> pb::Receipt {
    let request_id = format!("{:016x}", rand::random::<u64>());
    let allow_partial = true;
    let request =
        pb::PublishDossiersRequest { request_id, allow_partial, dossiers, ..Default::default() };
    source.dossiers().publish_dossiers(request).await.unwrap().into_inner().receipt.unwrap()
}

pub async fn get(client: &Client, code: &str) -> pb::Dossier {
    let ask = pb::GetDossierRequest { code: code.to_owned(), ..Default::default() };
    client.dossiers().get_dossier(ask).await.unwrap().into_inner().dossier.unwrap()
}

pub async fn get_at(client: &Client, code: &str, revision: i64) -> pb::Dossier {
    let (code, consistency) = (code.to_owned(), exactly(revision));
    let ask = pb::GetDossierRequest { code, consistency, ..Default::default() };
    client.dossiers().get_dossier(ask).await.unwrap().into_inner().dossier.unwrap()
}

fn by(key: pb::applicant_key::Key) -> Option<pb::ApplicantKey> {
    Some(pb::ApplicantKey { key: Some(key) })
}

fn by_number(number: &str) -> Option<pb::ApplicantKey> {
    by(pb::applicant_key::Key::IdentityNumber(number.to_owned()))
}

async fn found(client: &Client, applicant: Option<pb::ApplicantKey>) -> Vec<String> {
    let list = pb::ListDossiersRequest { applicant, ..Default::default() };
    let list = client.dossiers().list_dossiers(list).await.unwrap().into_inner().dossiers;
    list.into_iter().map(|it| it.code).collect()
}

/// Everything that the store holds, as text; on SQLite the very files.
pub async fn kept(store: &Store) -> String {
    if let Some(path) = store.url.strip_prefix("sqlite://") {
        let files = ["", "-wal"].map(|it| fs::read(format!("{path}{it}")).unwrap_or_default());
        return String::from_utf8_lossy(&files.concat()).into_owned();
    }
    let db = Database::connect(&store.url).await.unwrap();
    let text = |sql: String| Statement::from_string(DbBackend::Postgres, sql);
    let tables =
        "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public'";
    let mut kept = String::new();
    for table in db.query_all_raw(text(tables.to_owned())).await.unwrap() {
        let table: String = table.try_get_by_index(0).unwrap();
        let rows = format!("SELECT COALESCE(string_agg(t::text, ' '), '') FROM \"{table}\" t");
        let row = db.query_one_raw(text(rows)).await.unwrap().unwrap();
        kept += &row.try_get_by_index::<String>(0).unwrap();
    }
    db.close().await.unwrap();
    kept
}

#[tokio::test]
async fn nothing_of_a_person_is_kept_in_clear() {
    let hub = Hub::start().await;
    let source = source(&hub).await;
    publish(&source, vec![entry("H-1", Some(applicant()))]).await;
    let changed = pb::Applicant { address: format!("{}, khóm 2", CANARIES[4]), ..applicant() };
    publish(&source, vec![entry("H-1", Some(changed)), entry("H-2", Some(applicant()))]).await;
    let trusted = reader(&hub, "tin-cay", true).await;
    assert_eq!(get(&trusted, "H-2").await.applicant, Some(applicant()));
    let kept = kept(&hub.store).await;
    assert!(kept.contains("H-2") && kept.contains("sealed:test:"), "the store was not read");
    for canary in CANARIES {
        assert!(!kept.contains(canary), "{canary} is kept in clear");
    }
    // Sent again, what is sealed is recognized.
    let again = publish(&source, vec![entry("H-2", Some(applicant()))]).await;
    assert_eq!((again.unchanged, again.corrected), (1, 0));
    // A sealed text that is moved to another dossier does not open there.
    let db = Database::connect(&hub.store.url).await.unwrap();
    let swap = "UPDATE dossier SET applicant = (SELECT d.applicant FROM dossier d WHERE d.code = 'H-1' \
                AND d.superseded_at IS NULL) WHERE code = 'H-2'";
    db.execute_unprepared(swap).await.unwrap();
    db.close().await.unwrap();
    let ask = pb::GetDossierRequest { code: "H-2".to_owned(), ..Default::default() };
    let (code, reason, _) = refusal(trusted.dossiers().get_dossier(ask).await);
    assert_eq!((code, reason.as_str()), (Code::Internal, "INTERNAL"));
}

#[tokio::test]
async fn a_person_is_found_by_whoever_sees_personal_data_in_full() {
    let hub = Hub::start().await;
    let source = source(&hub).await;
    let other = pb::Applicant { identity_number: "083301009999".to_owned(), ..Default::default() };
    publish(
        &source,
        vec![
            entry("H-1", Some(applicant())),
            entry("H-2", Some(other)),
            entry("H-3", Some(applicant())),
            entry("H-4", None),
        ],
    )
    .await;
    use pb::applicant_key::Key;
    let trusted = reader(&hub, "tin-cay", true).await;
    let ways = [
        Key::IdentityNumber(NUMBER.to_owned()),
        Key::IdentityNumber("0833 0100 1234".to_owned()),
        Key::Phone("+84 912 345 678".to_owned()),
        Key::Email("Hoang.Yen@example.vn".to_owned()),
    ];
    for (i, key) in ways.into_iter().enumerate() {
        assert_eq!(found(&trusted, by(key)).await, ["H-1", "H-3"], "key {i}");
    }
    assert_eq!(found(&trusted, by_number("083301009999")).await, ["H-2"]);
    assert!(found(&trusted, by_number("1")).await.is_empty());
    // It is found in exports too.
    let export = pb::ExportDossiersRequest { applicant: by_number(NUMBER), ..Default::default() };
    let mut stream = trusted.dossiers().export_dossiers(export).await.unwrap().into_inner();
    let first = stream.message().await.unwrap().unwrap();
    let codes: Vec<_> = first.dossiers.iter().map(|it| it.code.as_str()).collect();
    assert_eq!(codes, ["H-1", "H-3"]);
    let plain = reader(&hub, "thuong", false).await;
    let list = || pb::ListDossiersRequest { applicant: by_number(NUMBER), ..Default::default() };
    let (code, _, fields) = refusal(plain.dossiers().list_dossiers(list()).await);
    assert_eq!((code, fields), (Code::PermissionDenied, vec!["applicant".to_owned()]));
    for (key, field) in [
        (None, "applicant.key"),
        (Some(Key::Phone(" - ".to_owned())), "applicant.phone"),
        (Some(Key::IdentityNumber("1".repeat(33))), "applicant.identity_number"),
    ] {
        let applicant = Some(pb::ApplicantKey { key });
        let list = pb::ListDossiersRequest { applicant, ..Default::default() };
        let (code, reason, fields) = refusal(trusted.dossiers().list_dossiers(list).await);
        let expected = (Code::InvalidArgument, "FIELD_INVALID", vec![field.to_owned()]);
        assert_eq!((code, reason.as_str(), fields), expected);
    }
}

#[tokio::test]
async fn a_new_key_seals_and_the_old_one_opens_until_everything_is_sealed_anew() {
    let store = Store::new().await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("keys.toml");
    let keys = DataKeys::generate("one");
    sharehub::personal::vault::write(&file, &keys).unwrap();
    let first = Vault::open_file(&file).unwrap();
    let hub = Hub::open_sealed(store, first.clone()).await;
    let source = source(&hub).await;
    publish(&source, vec![entry("H-1", Some(applicant())), entry("H-2", Some(applicant()))]).await;
    let trusted = reader(&hub, "tin-cay", true).await;
    // Another hub has the newer key before this one: what it seals is opened here all the same.
    sharehub::personal::vault::write(&file, &keys.clone().rotated("two")).unwrap();
    let newer = Hub::sealed_beside(&hub, Vault::open_file(&file).unwrap()).await;
    let there = newer.as_(source.key.0.as_deref().unwrap());
    let there = publish(&there, vec![entry("H-3", Some(applicant()))]).await;
    let there = get_at(&trusted, "H-3", there.revision.unwrap().number).await;
    assert_eq!(there.applicant, Some(applicant()));
    // By now this hub seals with the newer one as well, and sees no difference in what the older one sealed.
    assert!(first.current_mark().unwrap().contains("two"));
    let again = publish(&source, vec![entry("H-1", Some(applicant()))]).await;
    assert_eq!(again.unchanged, 1);
    assert!(kept(&hub.store).await.contains("sealed:one:"));
    assert_eq!(erase::reseal(&hub.hub).await.unwrap(), 4, "two applicants and two remarks");
    assert_eq!(erase::reseal(&hub.hub).await.unwrap(), 0);
    for code in ["H-1", "H-2", "H-3"] {
        assert_eq!(get(&trusted, code).await.applicant, Some(applicant()), "{code}");
        assert_eq!(get(&trusted, code).await.events[0].note, CANARIES[5], "{code}");
    }
    assert_eq!(found(&trusted, by_number(NUMBER)).await, ["H-1", "H-2", "H-3"]);
    // A key that is changed under its name, or another index, is refused: by a hub that runs, and by one that starts.
    sharehub::personal::vault::write(&file, &DataKeys::generate("two")).unwrap();
    first.reload().unwrap_err();
    assert_eq!(get(&trusted, "H-1").await.applicant, Some(applicant()));
    let vault = Vault::open_file(&file).unwrap();
    let err = Db::open_with(Options { vault, ..Options::new(&hub.store.url) }).await.unwrap_err();
    assert_eq!(err.reason(), sharehub::error::Reason::PersonalDataLocked);
}

/// Publishers and readers, on two hubs where two share a store, while keys are added and everything is sealed anew.
#[tokio::test(flavor = "multi_thread")]
async fn no_call_fails_while_keys_are_rotated() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("keys.toml");
    let mut keys = DataKeys::generate("k0");
    sharehub::personal::vault::write(&file, &keys).unwrap();
    let one = Hub::open_sealed(Store::new().await, Vault::open_file(&file).unwrap()).await;
    let beside = match is_postgres() {
        true => Some(Hub::sealed_beside(&one, Vault::open_file(&file).unwrap()).await),
        // Two hubs on one file wait for each other's writes for as long as they do: that is no matter of keys.
        false => None,
    };
    let two = beside.as_ref().unwrap_or(&one);
    let source = source(&one).await;
    publish(&source, (0..8).map(|i| entry(&format!("H-{i}"), Some(applicant()))).collect()).await;
    let trusted = reader(&one, "tin-cay", true).await;
    let stop = tokio_util::sync::CancellationToken::new();
    let mut calls = tokio::task::JoinSet::new();
    for i in 0..8 {
        let hub = if i % 2 == 0 { &one } else { two };
        let source = hub.as_(source.key.0.as_deref().unwrap());
        let (trusted, stop) = (hub.by_certificate("tin-cay").await, stop.clone());
        calls.spawn(async move {
            let code = format!("H-{i}");
            let mut count = 0;
            while !stop.is_cancelled() {
                let address = format!("{count} Hùng Vương");
                let applicant = pb::Applicant { address: address.clone(), ..applicant() };
                let receipt = publish(&source, vec![entry(&code, Some(applicant))]).await;
                assert_eq!((receipt.corrected, receipt.rejected), (1, 0), "{:?}", receipt.results);
                let seen = get_at(&trusted, &code, receipt.revision.unwrap().number).await;
                assert_eq!(seen.applicant.unwrap().address, address);
                count += 1;
            }
            count
        });
    }
    let rounds: usize = crate::support::engine::scale("SHAREHUB_TEST_ROTATIONS", 3);
    for round in 1..=rounds {
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        keys = keys.rotated(&format!("k{round}"));
        sharehub::personal::vault::write(&file, &keys).unwrap();
        // One hub reads the file, the other meets the newer key in the store.
        one.hub.db.vault().reload().unwrap();
        erase::reseal(&one.hub).await.unwrap();
    }
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    stop.cancel();
    let done: i32 = calls.join_all().await.into_iter().sum();
    assert!(done >= 8, "only {done} rounds: that was no load");
    two.hub.db.vault().reload().unwrap();
    while erase::reseal(&two.hub).await.unwrap() > 0 {}
    let kept = kept(&one.store).await;
    assert!(kept.contains(&format!("sealed:k{rounds}:")));
    for i in 0..8 {
        get(&trusted, &format!("H-{i}")).await.applicant.unwrap();
    }
}

#[tokio::test]
async fn a_hub_without_keys_keeps_no_personal_data_and_says_so() {
    let hub = Hub::open_sealed(Store::new().await, Vault::default()).await;
    let source = source(&hub).await;
    let plain = pb::DossierEntry { events: vec![event("1", "")], ..entry("H-2", None) };
    let receipt =
        publish(&source, vec![entry("H-1", Some(applicant())), entry("H-3", None), plain]).await;
    let said = |at: usize| {
        let item = &receipt.results[at];
        (item.reason(), item.violations.first().map_or("", |it| it.field.as_str()))
    };
    assert_eq!(said(0), (pb::ErrorReason::PersonalDataLocked, "events[0].note"));
    assert_eq!(said(1), (pb::ErrorReason::PersonalDataLocked, "events[0].note"));
    assert_eq!((receipt.created, receipt.rejected), (1, 2));
}

pub fn erase(whose: &[&str], superseded_only: bool) -> pb::ErasePersonalDataRequest {
    pb::ErasePersonalDataRequest {
        dossiers: whose.iter().map(|it| (*it).to_owned()).collect(),
        superseded_only,
        legal_basis: "Luật 91/2025/QH15, đề nghị ngày 2026-11-20".to_owned(),
        ..Default::default()
    }
}

pub async fn erased(
    hub: &Hub,
    request: pb::ErasePersonalDataRequest,
) -> Result<pb::Receipt, tonic::Status> {
    let answer = hub.admin().dossiers().erase_personal_data(request).await?;
    Ok(answer.into_inner().receipt.unwrap())
}

#[tokio::test]
async fn what_is_erased_is_gone_from_every_version_and_stays_away() {
    let hub = Hub::start().await;
    let source = source(&hub).await;
    let first = publish(
        &source,
        vec![entry("H-1", Some(applicant())), entry("H-2", Some(applicant())), entry("H-3", None)],
    )
    .await;
    let changed = pb::Applicant { phone: "0903158264".to_owned(), ..applicant() };
    publish(&source, vec![entry("H-1", Some(changed.clone()))]).await;
    let trusted = reader(&hub, "tin-cay", true).await;
    let before = first.revision.unwrap().number;
    assert_eq!(get_at(&trusted, "H-1", before).await.applicant, Some(applicant()));

    // A correction: what was wrong goes, what stands stays.
    let call = async |request| erased(&hub, request).await;
    let receipt = call(erase(&["H-1", "H-2"], true)).await.unwrap();
    assert_eq!((receipt.corrected, receipt.unchanged), (1, 1));
    assert_eq!(get_at(&trusted, "H-1", before).await.applicant, None);
    assert_eq!(get(&trusted, "H-1").await.applicant, Some(changed));

    // An erasure, of all that is one person's, wherever the number is in a version.
    let request = pb::ErasePersonalDataRequest {
        request_id: "xoa-1".to_owned(),
        applicant: by_number("083301 001234"),
        ..erase(&[], false)
    };
    let receipt = call(request.clone()).await.unwrap();
    assert_eq!((receipt.corrected, receipt.unchanged, receipt.rejected), (2, 0, 0));
    for code in ["H-1", "H-2"] {
        let seen = get(&trusted, code).await;
        assert_eq!((seen.applicant, seen.personal_data_erased), (None, true), "{code}");
        assert_eq!(seen.events[0].note, "", "{code}");
        assert!(!seen.personal_data_withheld, "{code}");
        assert_eq!(get_at(&trusted, code, before).await.applicant, None, "{code}");
    }
    assert!(found(&trusted, by_number(NUMBER)).await.is_empty());
    let again = call(request).await.unwrap();
    assert!(again.replayed);
    let nothing = call(erase(&["H-1"], false)).await.unwrap();
    assert_eq!((nothing.corrected, nothing.unchanged), (0, 1));
    // Its source still has it: the hub takes everything but that.
    let sent = publish(&source, vec![entry("H-2", Some(applicant()))]).await;
    assert_eq!(sent.results[0].reason(), pb::ErrorReason::PersonalDataErased);
    assert_eq!(sent.results[0].violations[0].field, "applicant");
    let sent = publish(&source, vec![entry("H-2", None)]).await;
    assert_eq!(sent.unchanged, 1, "{:?}", sent.results);
    let events = vec![event("1", CANARIES[5]), event("2", "lại bổ sung")];
    let sent = publish(&source, vec![pb::DossierEntry { events, ..entry("H-2", None) }]).await;
    assert_eq!(sent.results[0].reason(), pb::ErrorReason::PersonalDataErased);
}

#[tokio::test]
async fn a_bad_erasure_is_refused_by_its_field() {
    let hub = Hub::start().await;
    let source = source(&hub).await;
    publish(&source, vec![entry("H-1", Some(applicant())), entry("H-3", None)]).await;
    let trusted = reader(&hub, "tin-cay", true).await;
    let call = async |request| erased(&hub, request).await;
    for (request, expected, field) in [
        (erase(&[], false), Code::InvalidArgument, "dossiers"),
        (erase(&["H-9"], false), Code::NotFound, "dossiers[0]"),
        (erase(&["H-1", "H-1"], false), Code::InvalidArgument, "dossiers[1]"),
        (
            pb::ErasePersonalDataRequest { legal_basis: String::new(), ..erase(&["H-1"], false) },
            Code::InvalidArgument,
            "legal_basis",
        ),
        (
            pb::ErasePersonalDataRequest { applicant: by_number("1"), ..erase(&["H-1"], false) },
            Code::InvalidArgument,
            "dossiers",
        ),
    ] {
        let (code, _, fields) = refusal(call(request.clone()).await);
        assert_eq!(code, expected, "{request:?}");
        assert_eq!(fields, [field], "{request:?}");
    }
    let (code, ..) = refusal(trusted.dossiers().erase_personal_data(erase(&["H-3"], false)).await);
    assert_eq!(code, Code::PermissionDenied);
}

/// Fields are masked by their marks, whoever wrote the message.
#[test]
fn a_tier_shows_what_the_marks_say() {
    use sharehub::personal::Tier;
    let whole = || pb::Dossier {
        code: "H-1".to_owned(),
        applicant: Some(applicant()),
        events: vec![pb::DossierEvent { note: "ghi chú".to_owned(), ..Default::default() }],
        ..Default::default()
    };
    let mut full = whole();
    assert!(!full.project(Tier::Full));
    assert_eq!((full.applicant.unwrap(), full.events[0].note.as_str()), (applicant(), "ghi chú"));
    let mut masked = whole();
    assert!(masked.project(Tier::Masked));
    let pb::Applicant { name, identity_number, phone, email, address } = masked.applicant.unwrap();
    let seen = [name, identity_number, phone, email, address, masked.events[0].note.clone()];
    assert_eq!(seen, ["N*** T*** H*** Y***", "***234", "***678", "h***@***", "***", "***"]);
    assert_eq!(masked.code, "H-1");
    let mut none = whole();
    assert!(none.project(Tier::None));
    assert_eq!(none.applicant.unwrap(), pb::Applicant::default());
    assert_eq!(none.events[0].note, "");
    // What cannot be printed is not printed by accident.
    let printed = format!("{:?} {:?}", whole(), by_number(NUMBER));
    assert!(CANARIES.iter().all(|it| !printed.contains(it)), "{printed}");
    assert!(!printed.contains("ghi chú"), "{printed}");
}

pub const FEE: &str = "lệ phí của bà Yến";
pub const PAPER: &str = "giấy khai sinh của Nguyễn Thị Hoàng Yến";
pub const PAPER_CODE: &str = "CCCD-083301001234";
