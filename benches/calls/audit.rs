//! What durable records cost: `GetDossier` with personal data beside the same without, and the check of a long log.
use std::{process::Command, sync::Arc, time::Instant};

use sharehub::{
    access::store::ensure_administrator,
    caller::SystemCode,
    db::{Db, Options},
    hub::Hub,
    limits::Limits,
    log::{
        record::{Answered, Phase, Record, Who},
        trail::Trail,
    },
    pb,
    personal::vault::{DataKeys, Vault},
    pki::Authority,
    server::{
        self,
        tls::{Pem, Tls},
    },
    stack::measure::Meter,
    time::Timestamp,
    unit,
};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

use crate::{
    PASSES,
    bare::Bare,
    engine::Engine,
    point,
    stage::{audit_key, audit_of, key},
    turns::{median, passes},
    wire::{self, DOSSIER, Key, call, wired},
};

/// Calls in flight.
const IN_FLIGHT: [usize; 3] = [1, 16, 64];
/// Dossiers with an applicant each.
const DOSSIERS: usize = 1_000;
/// What every agreement and call of it is for.
const PURPOSE: &str = "bench";

pub async fn audit(engine: &Engine) {
    let url = engine.store("audit").await;
    let vault = Vault::new(&DataKeys::generate("bench")).unwrap();
    let db = Db::open_with(Options { vault, ..Options::new(&url) }).await.unwrap();
    let (slices, _) = server::start(db, Limits::default(), audit_of()).await.unwrap();
    unit::store::reference::load_reference(&slices.hub).await.unwrap();
    let desk = Desk::open(&slices).await;
    let codes = desk.fill().await;
    Bare::readers(&url).await.analyze().await;
    let blind = desk.reader("bench.blind", pb::PersonalDataTier::None).await;
    let full = desk.reader("bench.full", pb::PersonalDataTier::Full).await;
    let mut purpose = Key::new();
    purpose.insert("sharehub-purpose", PURPOSE.parse().unwrap());
    let ask = |code: &String| pb::GetDossierRequest { code: code.clone(), ..Default::default() };
    let one: pb::GetDossierResponse =
        call(full[0].clone(), DOSSIER, ask(&codes[0]), &purpose).await.unwrap();
    assert!(one.dossier.as_ref().unwrap().applicant.is_some());
    let echo = point::echo(&one, &pb::GetSnapshotResponse::default()).await;
    let asks: Arc<Vec<_>> = Arc::new(codes.iter().map(ask).collect());
    let wired = |channels: &[Channel]| {
        let asks = Arc::clone(&asks);
        let pick = move |i: usize| asks[i * 7 % asks.len()].clone();
        wired::<_, pb::GetDossierResponse>(channels, DOSSIER, &purpose, pick)
    };
    let ways = [wired(&echo), wired(&blind), wired(&full)];
    println!(
        "\n### GetDossier and its record, {}: both over TLS with a certificate\n",
        engine.name()
    );
    println!(
        "| in flight | echo, plain text /s | without personal data, record not waited for /s \
         | with personal data, record durable first /s | durable / not waited for \
         | processor µs: echo, without, with |"
    );
    println!("|---|---|---|---|---|---|");
    for in_flight in IN_FLIGHT {
        let rates = passes(&ways, in_flight, PASSES).await;
        let of = |i: usize| median(&rates, |it| it[i].calls);
        let cpu = |i: usize| median(&rates, |it| it[i].cpu);
        println!(
            "| {in_flight} | {:.0} | {:.0} | {:.0} | **{:.2}** | {:.0}, {:.0}, {:.0} |",
            of(0),
            of(1),
            of(2),
            median(&rates, |it| it[2].calls / it[1].calls),
            cpu(0),
            cpu(1),
            cpu(2),
        );
    }
    verify(engine, &slices.hub, &url).await;
}

/// Adds records like those of calls, up to so many, and has the log exported and checked by the program.
async fn verify(engine: &Engine, hub: &Hub, url: &str) {
    let most = std::env::vars().find(|(key, _)| key == "SHAREHUB_BENCH_RECORDS");
    let most: u64 = most.map_or(100_000, |(_, it)| it.parse().unwrap());
    let trail = Trail::internal("bench");
    let began = Instant::now();
    let mut state = hub.audit.follow();
    let mut added = 0_u64;
    let there = state.borrow().size;
    while there + added < most {
        let code = format!("H61.31-260101-{added:06}");
        let answered = Answered {
            rejected: 0,
            items: 1,
            revision: 7,
            personal: true,
            subjects: vec![code.clone()],
        };
        let record = trail.record(
            Phase::Whole,
            tonic::Code::Ok,
            sharehub::error::Reason::Unspecified,
            answered,
        );
        let who = Who {
            system: "bench.full".to_owned(),
            credential: format!("certificate {:064x}", 7),
            purpose: PURPOSE.to_owned(),
            agreement: "bench.full".to_owned(),
            ..Who::default()
        };
        let record = Record {
            who,
            method: "DossierService/GetDossier",
            asked: format!(r#"{{"code":"{code}"}}"#),
            request_id: format!("{added:032x}"),
            began_at: Timestamp::now(),
            ..record
        };
        hub.audit.place(Instant::now() + hub.limits.longest).await.unwrap().send(record);
        added += 1;
    }
    state.wait_for(|it| it.size >= there + added).await.unwrap();
    let took = began.elapsed().as_secs_f64();
    let dir = tempfile::tempdir().unwrap();
    let (file, key) = (dir.path().join("log"), audit_key(dir.path()));
    let run = |args: &[&str]| {
        let began = Instant::now();
        let mut command = Command::new(env!("CARGO_BIN_EXE_sharehub"));
        command.arg("audit").args(args).env("SHAREHUB_AUDIT_KEY", &key);
        command.env("SHAREHUB_DATABASE_URL", url);
        let ran = command.output().unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        (began.elapsed().as_secs_f64(), String::from_utf8(ran.stdout).unwrap())
    };
    let file = file.to_str().unwrap();
    let (exported, _) = run(&["export", file]);
    let public = hub.audit.key().public().to_string();
    let (verified, said) = run(&["verify", file, "--key", &public]);
    let size = std::fs::metadata(file).unwrap().len() >> 20;
    println!("\n### The log of {most} records, {}\n", engine.name());
    println!("| added | seconds | exported, seconds | MiB | verified, seconds | said |");
    println!("|---|---|---|---|---|---|");
    println!(
        "| {added} | {took:.1} | {exported:.1} | {size} | **{verified:.1}** | {} |",
        said.lines().next().unwrap_or_default()
    );
}

/// Who sets the stage, over TLS, and the authority of its certificates.
struct Desk {
    authority: Authority,
    address: String,
    admin: Key,
}

impl Desk {
    async fn open(slices: &server::Slices) -> Self {
        let authority = Authority::new().unwrap();
        let server = authority.server(&["localhost".to_owned()]).unwrap();
        let tls = Tls::new(&Pem {
            cert: server.cert.into(),
            key: server.key.into(),
            client_ca: Some(authority.own.cert.clone().into()),
            client_crl: None,
        });
        let (services, health) = server::services(slices, &Arc::<Meter>::default()).await.unwrap();
        let address = wire::serve_tls(services, health, tls.unwrap()).await;
        let admin = SystemCode::parse("admin").unwrap();
        ensure_administrator(&slices.hub, &admin).await.unwrap();
        Self { authority, address, admin: key(&slices.hub, "admin").await }
    }

    /// Connections of a system, by its certificate; of nobody without a name.
    async fn channels(&self, system: Option<&str>) -> Vec<Channel> {
        let ca = Certificate::from_pem(&self.authority.own.cert);
        let mut tls = ClientTlsConfig::new().ca_certificate(ca).domain_name("localhost");
        if let Some(system) = system {
            let pair = self.authority.client(&SystemCode::parse(system).unwrap()).unwrap();
            tls = tls.identity(Identity::from_pem(pair.cert, pair.key));
        }
        let endpoint = Endpoint::from_shared(format!("https://{}", self.address)).unwrap();
        wire::opened(&endpoint.tls_config(tls).unwrap()).await
    }

    /// Registers a system with one agreement about dossiers, and is it.
    async fn system(
        &self,
        code: &str,
        grants: pb::Grants,
        operation: pb::AgreementOperation,
        tier: pb::PersonalDataTier,
    ) -> Vec<Channel> {
        let admin = self.channels(Some("admin")).await.swap_remove(0);
        let register = pb::RegisterSystemRequest {
            code: code.to_owned(),
            name: code.to_owned(),
            grants: Some(grants),
            ..Default::default()
        };
        let path = "/sharehub.v1.AccessService/RegisterSystem";
        let answer: pb::RegisterSystemResponse =
            call(admin.clone(), path, register, &self.admin).await.unwrap();
        drop(answer);
        let at = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
        let dossiers = pb::agreement::Dataset::Dossiers(pb::DossierDataset::default());
        let agreement = pb::Agreement {
            code: code.to_owned(),
            system: code.to_owned(),
            purpose: PURPOSE.to_owned(),
            title: "Bench".to_owned(),
            legal_basis: "Bench".to_owned(),
            dossier_codes: if operation == pb::AgreementOperation::Publish {
                vec!["*".to_owned()]
            } else {
                Vec::new()
            },
            operations: vec![operation.into()],
            dataset: Some(dossiers),
            personal_data: tier.into(),
            valid_from: at(1_700_000_000),
            valid_before: at(1_900_000_000),
            ..Default::default()
        };
        let agreement = Some(agreement);
        let grant = pb::GrantAgreementRequest { agreement, ..Default::default() };
        let path = "/sharehub.v1.AccessService/GrantAgreement";
        let answer: pb::GrantAgreementResponse =
            call(admin, path, grant, &self.admin).await.unwrap();
        drop(answer);
        self.channels(Some(code)).await
    }

    async fn reader(&self, code: &str, tier: pb::PersonalDataTier) -> Vec<Channel> {
        self.system(code, pb::Grants::default(), pb::AgreementOperation::Read, tier).await
    }

    /// Publishes the dossiers; their codes.
    async fn fill(&self) -> Vec<String> {
        let grants = pb::Grants { define_procedures: true, ..Default::default() };
        let none = pb::PersonalDataTier::None;
        let source =
            self.system("bench.source", grants, pb::AgreementOperation::Publish, none).await;
        let procedure = pb::Procedure {
            code: "1.004194".to_owned(),
            name: "Đăng ký tạm trú".to_owned(),
            ..Default::default()
        };
        let define =
            pb::DefineProceduresRequest { procedures: vec![procedure], ..Default::default() };
        let path = "/sharehub.v1.DossierService/DefineProcedures";
        let none = Key::new();
        let answer: pb::DefineProceduresResponse =
            call(source[0].clone(), path, define, &none).await.unwrap();
        assert_eq!(answer.receipt.unwrap().rejected, 0);
        let code = |i: usize| format!("H61.31-260101-{i:04}");
        let dossiers = (0..DOSSIERS).map(|i| {
            let event = pb::DossierEventEntry {
                occurred_at: Some(prost_types::Timestamp { seconds: 1_760_000_000, nanos: 0 }),
                source_status: "2".to_owned(),
                ..Default::default()
            };
            let unit = pb::UnitCode { code: "28915".to_owned(), ..Default::default() };
            let unit = pb::UnitRef { r#ref: Some(pb::unit_ref::Ref::Code(unit)) };
            let applicant = pb::Applicant {
                name: format!("Nguyễn Văn {i}"),
                identity_number: format!("083301{i:06}"),
                phone: format!("0912{i:06}"),
                email: format!("{i}@example.vn"),
                address: "12 Hùng Vương".to_owned(),
            };
            pb::DossierEntry {
                code: code(i),
                procedure: "1.004194".to_owned(),
                receiving_unit: Some(unit),
                applicant: Some(applicant),
                events: vec![event],
                ..Default::default()
            }
        });
        let publish =
            pb::PublishDossiersRequest { dossiers: dossiers.collect(), ..Default::default() };
        let path = "/sharehub.v1.DossierService/PublishDossiers";
        let answer: pb::PublishDossiersResponse =
            call(source[0].clone(), path, publish, &none).await.unwrap();
        let receipt = answer.receipt.unwrap();
        assert_eq!(receipt.rejected, 0, "{:?}", receipt.results.first());
        (0..DOSSIERS).map(code).collect()
    }
}
