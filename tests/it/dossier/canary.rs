//! Canaries: texts about a person that are stored in every field there is for them, and looked for in everything that
//! leaves the program: answers, refusals, its log at its loudest, spans, metrics, and its files.
//!
//! What other tests store of persons is looked for as well, in the whole suite: in every answer of a hub to whoever
//! calls with a key, in the log of every program, and in the files of every store on SQLite when its test is over.
use std::{
    fs,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
};
use http_body_util::BodyExt;
use prost::Message;
use sharehub::pb::{self, applicant_key::Key as Sought};
use tokio::{net::TcpListener, time};
use tonic::Status;

use crate::support::{
    canary::{ADDRESS, ALL, EMAIL, FEE, NAME, NOTE, NUMBER, PAPER, PAPER_CODE, PHONE},
    client::{Client, Grants, Key, gso, refusal},
    pki::PKI,
    program::{Program, admin_key, sharehub, url},
};

/// Takes whatever is sent to it, as a collector of spans and metrics would.
struct Collector {
    target: String,
    taken: Arc<Mutex<Vec<u8>>>,
}

impl Collector {
    async fn start() -> Self {
        let taken = Arc::<Mutex<Vec<u8>>>::default();
        async fn take(
            State(taken): State<Arc<Mutex<Vec<u8>>>>,
            request: Request,
        ) -> http::Response<Body> {
            let path = request.uri().path().to_owned();
            let body = request.into_body().collect().await.unwrap().to_bytes();
            let mut taken = taken.lock().unwrap();
            taken.extend_from_slice(path.as_bytes());
            taken.extend_from_slice(&body);
            #[expect(clippy::disallowed_methods, reason = "a collector, not the hub")]
            let taken = Status::ok("");
            taken.into_http()
        }
        let router = Router::new().fallback(take).with_state(Arc::clone(&taken));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let service = hyper_util::service::TowerToHyperService::new(router.clone());
                let executor = hyper_util::rt::TokioExecutor::new();
                let stream = hyper_util::rt::TokioIo::new(stream);
                let serving = hyper::server::conn::http2::Builder::new(executor)
                    .serve_connection(stream, service);
                tokio::spawn(serving);
            }
        });
        Self { target, taken }
    }
}

fn applicant() -> pb::Applicant {
    let [name, identity_number, phone, email, address, ..] = ALL.map(str::to_owned);
    pb::Applicant { name, identity_number, phone, email, address }
}

fn event(id: &str, status: &str) -> pb::DossierEventEntry {
    pb::DossierEventEntry {
        event_id: id.to_owned(),
        occurred_at: Some(prost_types::Timestamp { seconds: 1_760_000_000, nanos: 0 }),
        source_status: status.to_owned(),
        note: NOTE.to_owned(),
        ..Default::default()
    }
}

fn entry(code: &str) -> pb::DossierEntry {
    let fee = pb::DossierFee { name: FEE.to_owned(), amount: "1".to_owned(), paid_online: true };
    let (name, paper_code) = (PAPER.to_owned(), PAPER_CODE.to_owned());
    let paper = pb::DossierDocument { name, code: paper_code, ..Default::default() };
    pb::DossierEntry {
        fees: vec![fee],
        components: vec![paper.clone()],
        results: vec![paper],
        code: code.to_owned(),
        procedure: "1.004194".to_owned(),
        receiving_unit: gso("28915", ""),
        applicant: Some(applicant()),
        events: vec![event("1", "2")],
        ..Default::default()
    }
}

/// Where a canary is in some bytes.
fn found_in(bytes: &[u8]) -> Vec<&'static str> {
    let has = |it: &&&str| bytes.windows(it.len()).any(|part| part == it.as_bytes());
    ALL.iter().filter(has).copied().collect()
}

async fn system(admin: &Client, program: &Program, code: &str, grants: Grants) -> Client {
    let registration = pb::RegisterSystemRequest {
        code: code.to_owned(),
        name: code.to_owned(),
        grants: Some(grants.grants()),
        ..Default::default()
    };
    admin.access().register_system(registration).await.unwrap();
    for agreement in grants.agreements(code) {
        let agreement = Some(agreement);
        let grant = pb::GrantAgreementRequest { agreement, ..Default::default() };
        admin.access().grant_agreement(grant).await.unwrap();
    }
    if grants.read_personal_data {
        let channel = PKI.channel(program.address, Some(&PKI.client(code)));
        return Client { channel, key: Key(None) };
    }
    let issue =
        pb::IssueKeyRequest { system: code.to_owned(), expires_at: None, ..Default::default() };
    as_(program, &admin.access().issue_key(issue).await.unwrap().into_inner().key)
}

/// Whoever holds this key, over TLS.
fn as_(program: &Program, key: &str) -> Client {
    Client { channel: PKI.channel(program.address, None), key: Key(Some(key.to_owned())) }
}

/// What was answered: the bytes of answers, and refusals with their details.
#[derive(Default)]
struct Said(Vec<u8>);

impl Said {
    fn take<T: Message>(&mut self, answer: Result<tonic::Response<T>, Status>) {
        match answer {
            Ok(it) => self.0.extend(it.into_inner().encode_to_vec()),
            Err(status) => self.refusal(&status),
        }
    }

    fn refusal(&mut self, status: &Status) {
        self.0.extend(status.message().as_bytes());
        self.0.extend(status.details());
        self.0.extend(format!("{status:?}").as_bytes());
    }
}

fn sought(key: Sought) -> Option<pb::ApplicantKey> {
    Some(pb::ApplicantKey { key: Some(key) })
}

async fn publish(source: &Client, said: &mut Said) {
    // Good, and bad in every way that quotes what was sent: too long, of an unknown procedure, sent again otherwise.
    let long = |text: &str| format!("{text}{}", "x".repeat(600));
    let too_long = pb::Applicant {
        name: long(NAME),
        identity_number: long(NUMBER),
        phone: long(PHONE),
        email: long(EMAIL),
        address: long(ADDRESS),
    };
    let controls = pb::Applicant { name: format!("{NAME}\u{7}"), ..applicant() };
    let fee = pb::DossierFee { name: format!("{FEE}\u{7}"), ..Default::default() };
    let paper = pb::DossierDocument {
        name: long(PAPER),
        code: format!("{PAPER_CODE}\u{7}"),
        ..Default::default()
    };
    for dossiers in [
        vec![entry("H-1"), entry("H-2")],
        vec![pb::DossierEntry { fees: vec![fee], components: vec![paper], ..entry("H-3") }],
        vec![pb::DossierEntry { applicant: Some(too_long), ..entry("H-3") }],
        vec![pb::DossierEntry { applicant: Some(controls), ..entry("H-3") }],
        vec![pb::DossierEntry { procedure: "9.999999".to_owned(), ..entry("H-3") }],
        vec![pb::DossierEntry { events: vec![event("1", "no such status")], ..entry("H-3") }],
        vec![pb::DossierEntry { events: vec![event("1", "4")], ..entry("H-1") }],
    ] {
        for allow_partial in [false, true] {
            let request_id = format!("{:016x}", rand::random::<u64>());
            let dossiers = dossiers.clone();
            let request = pb::PublishDossiersRequest {
                request_id,
                allow_partial,
                dossiers,
                ..Default::default()
            };
            said.take(source.dossiers().publish_dossiers(request).await);
        }
    }
    let add = |code: &str, status| {
        let event = Some(pb::DossierEventEntry { event_id: "9".to_owned(), ..event("", status) });
        let events = vec![pb::EventForDossier { dossier: code.to_owned(), event }];
        pb::PublishEventsRequest { events, ..Default::default() }
    };
    for (code, status) in [("H-1", "4"), ("H-1", "?"), ("H-9", "4")] {
        said.take(source.dossiers().publish_events(add(code, status)).await);
    }
}

async fn load(source: &Client, said: &mut Said) {
    // Over a stream, good and bad.
    let batch = |first, dossiers| {
        let batch = pb::DossierBatch { first, dossiers };
        pb::IngestDossiersRequest { step: Some(pb::ingest_dossiers_request::Step::Batch(batch)) }
    };
    let open = pb::LoadOpen { load: "canary".to_owned() };
    let open = pb::ingest_dossiers_request::Step::Open(open);
    let bad = pb::DossierEntry { procedure: "9.999999".to_owned(), ..entry("H-5") };
    let sent = vec![
        pb::IngestDossiersRequest { step: Some(open) },
        batch(1, vec![entry("H-4"), bad]),
        batch(9, vec![entry("H-6")]),
    ];
    let sent = tokio_stream::iter(sent);
    let mut told = source.dossiers().ingest_dossiers(sent).await.unwrap().into_inner();
    let broken = loop {
        match told.message().await {
            Ok(Some(it)) => said.0.extend(it.encode_to_vec()),
            Ok(None) => panic!("a gap is taken"),
            Err(status) => break status,
        }
    };
    said.refusal(&broken);
}

/// Asks as somebody who may not see personal data.
async fn ask(client: &Client, said: &mut Said) {
    for applicant in [
        None,
        sought(Sought::IdentityNumber(NUMBER.to_owned())),
        sought(Sought::Phone(PHONE.to_owned())),
        sought(Sought::Email(EMAIL.to_owned())),
    ] {
        let list = pb::ListDossiersRequest { applicant: applicant.clone(), ..Default::default() };
        said.take(client.dossiers().list_dossiers(list).await);
        let export = pb::ExportDossiersRequest { applicant, ..Default::default() };
        match client.dossiers().export_dossiers(export).await {
            Err(status) => said.refusal(&status),
            Ok(stream) => {
                let mut stream = stream.into_inner();
                while let Some(it) = stream.message().await.unwrap() {
                    said.0.extend(it.encode_to_vec());
                }
            }
        }
    }
    for code in ["H-1", NUMBER, EMAIL] {
        let code = code.to_owned();
        let ask = pb::GetDossierRequest { code: code.clone(), ..Default::default() };
        let answer = client.dossiers().get_dossier(ask).await;
        if code == "H-1" {
            said.take(answer);
        } else {
            // Who asks for a dossier by something else is told what it asked for.
            refusal(answer);
        }
        let ask = pb::LookUpDossierRequest { code: "H-1".to_owned(), ..Default::default() };
        said.take(client.dossiers().look_up_dossier(ask).await);
    }
}

async fn count_and_watch(reader: &Client, said: &mut Said) {
    let summarize =
        pb::SummarizeDossiersRequest { period: "2025".to_owned(), ..Default::default() };
    said.take(reader.dossiers().summarize_dossiers(summarize).await);
    let filter = pb::WatchFilter {
        about: Some(pb::watch_filter::About::Dossiers(pb::DossierFilter::default())),
    };
    let watch = pb::WatchRequest {
        filters: vec![filter],
        from: Some(pb::watch_request::From::Beginning(true)),
        ..Default::default()
    };
    let mut watched = reader.feed().watch(watch).await.unwrap().into_inner();
    while let Ok(Ok(Some(it))) = time::timeout(Duration::from_secs(2), watched.message()).await {
        said.0.extend(it.encode_to_vec());
    }
    drop(watched);
}

/// The whole of it is shown to whom it is granted, and that is on record without it.
async fn show(trusted: &Client, admin: &Client) {
    let ask = pb::GetDossierRequest { code: "H-1".to_owned(), ..Default::default() };
    let seen = trusted.dossiers().get_dossier(ask).await.unwrap().into_inner().encode_to_vec();
    assert_eq!(found_in(&seen), ALL);
    let applicant = sought(Sought::IdentityNumber(NUMBER.to_owned()));
    let list = pb::ListDossiersRequest { applicant, ..Default::default() };
    let seen = trusted.dossiers().list_dossiers(list).await.unwrap().into_inner();
    assert_eq!(seen.dossiers.len(), 3);
    // Who was shown it is told without it, by number as well.
    let applicant = sought(Sought::IdentityNumber(NUMBER.to_owned()));
    let ask = pb::ListAccessToSubjectRequest { applicant, ..Default::default() };
    let shown = admin.audit().list_access_to_subject(ask).await.unwrap().into_inner();
    assert!(shown.records.len() >= 2, "{shown:?}");
    let mut told = shown.encode_to_vec();
    let mut token = String::new();
    loop {
        let page = Some(pb::PageRequest { size: 1_000, token });
        let ask = pb::ListRecordsRequest { page, ..Default::default() };
        let records = admin.audit().list_records(ask).await.unwrap().into_inner();
        told.extend(records.encode_to_vec());
        token = records.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert!(told.len() > 5_000, "too little is on record: {}", told.len());
    assert!(found_in(&told).is_empty(), "on record: {:?}", found_in(&told));
}

/// Nothing is kept in clear in the files of the store, nor in what the program's own commands print of it.
async fn look_into_files(dir: &Path) {
    let url = url(dir);
    let ran = sharehub(dir, &["audit", "export", "log.json", "--database-url", &url]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let mut files = 0;
    for file in fs::read_dir(dir).unwrap() {
        let path = file.unwrap().path();
        let found = found_in(&fs::read(&path).unwrap());
        assert!(found.is_empty(), "kept in {}: {found:?}", path.display());
        files += 1;
    }
    assert!(files >= 3, "the store, its keys and the log");
    // Nor in what the program's own commands print of it.
    let ran = sharehub(dir, &["data-keys", "reseal", "--database-url", &url]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(found_in(format!("{ran:?}").as_bytes()).is_empty());
}

#[tokio::test]
async fn nothing_of_a_person_leaves_but_in_granted_answers() {
    let collector = Collector::start().await;
    let dir = tempfile::tempdir().unwrap();
    let key = admin_key(dir.path()).await;
    let files = PKI.files(dir.path());
    let mut more = vec!["--log", "trace", "--otlp-endpoint", &collector.target];
    more.extend(files.iter().map(String::as_str));
    let mut program = Program::serve(dir.path(), &more).await;
    // Agreements and erasures ask for a certificate.
    let channel = PKI.channel(program.address, Some(&PKI.client("admin")));
    let admin = Client { channel, ..as_(&program, &key) };
    let publisher =
        Grants { publish_dossiers: true, define_procedures: true, ..Default::default() };
    let source = system(&admin, &program, "mot-cua", publisher).await;
    let plain = Grants { read_dossiers: true, ..Default::default() };
    let reader = system(&admin, &program, "ioc", plain.clone()).await;
    let full = Grants { read_personal_data: true, ..plain };
    let trusted = system(&admin, &program, "tin-cay", full).await;
    let procedure = pb::Procedure {
        code: "1.004194".to_owned(),
        name: "Đăng ký".to_owned(),
        ..Default::default()
    };
    let define = pb::DefineProceduresRequest { procedures: vec![procedure], ..Default::default() };
    source.dossiers().define_procedures(define).await.unwrap();

    let mut said = Said::default();
    publish(&source, &mut said).await;
    load(&source, &mut said).await;
    for client in [&reader, &source] {
        ask(client, &mut said).await;
    }
    count_and_watch(&reader, &mut said).await;
    show(&trusted, &admin).await;
    let erase = pb::ErasePersonalDataRequest {
        applicant: sought(Sought::Phone(PHONE.to_owned())),
        superseded_only: true,
        legal_basis: "thử".to_owned(),
        ..Default::default()
    };
    said.take(admin.dossiers().erase_personal_data(erase).await);

    assert!(said.0.len() > 3_000, "too little was answered: {}", said.0.len());
    assert!(found_in(&said.0).is_empty(), "answered: {:?}", found_in(&said.0));

    drop((admin, source, reader, trusted));
    program.stop().await;
    let log = fs::read(&program.log).unwrap();
    assert!(log.len() > 10_000, "the log is not loud: {}", log.len());
    assert!(found_in(&log).is_empty(), "logged: {:?}", found_in(&log));
    let taken = collector.taken.lock().unwrap().clone();
    let has = |text: &str| taken.windows(text.len()).any(|it| it == text.as_bytes());
    assert!(has("/opentelemetry.proto.collector.trace.v1"), "no spans came");
    assert!(
        has("/opentelemetry.proto.collector.metrics.v1") && has("sharehub.calls"),
        "no metrics"
    );
    assert!(found_in(&taken).is_empty(), "sent to the collector: {:?}", found_in(&taken));
    look_into_files(dir.path()).await;
}
