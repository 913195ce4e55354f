//! Many watches at once: whether all of them are complete, how late changes come, and what that costs the hub.
//!
//! `cargo bench --bench feed`. `SHAREHUB_BENCH_WATCHES` (1,000), `SHAREHUB_BENCH_RATE` (50 changes a second) and
//! `SHAREHUB_BENCH_SECONDS` (10; 60 at full scale). Clients and hub share the machine.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    unreachable_pub,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a bench may fail loudly, prints its report, and is scaled by the environment"
)]
#[path = "calls/engine.rs"]
mod engine;

use std::{
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use engine::Engine;
use sharehub::{
    access::{self, queries::Issue},
    caller::SystemCode,
    db::Db,
    limits::Limits,
    pb::{
        self, access_service_client::AccessServiceClient, feed_change::Subject,
        feed_service_client::FeedServiceClient, indicator_service_client::IndicatorServiceClient,
        unit_service_client::UnitServiceClient, watch_response::Message,
    },
    unit,
};
use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinSet,
    time,
};
use tonic::{
    Request,
    transport::{Channel, Endpoint},
};

/// Streams on one connection, below the hub's limit.
const PER_CONNECTION: usize = 90;
/// Watches that are being opened at the same time: an opening is a call in flight, and the hub has a limit of those.
/// The slower the store, the more of them there are.
const OPENING: usize = 64;

fn scale(variable: &str, usual: usize) -> usize {
    std::env::var(variable).map_or(usual, |it| it.parse().unwrap())
}

#[tokio::main]
async fn main() {
    println!(
        "| engine | watches | changes | lag p50, p99, max (ms) | hub CPU (s of s) \
         | RSS idle, with watches, at most (MiB) |"
    );
    println!("|---|---|---|---|---|---|");
    let mut engines = vec![Engine::sqlite()];
    match Engine::postgres().await {
        Some(postgres) => engines.push(postgres),
        None => println!("PostgreSQL: skipped, its binaries are not on this machine"),
    }
    for engine in engines {
        measure(&engine).await;
    }
}

/// The hub as a process of its own; ended when dropped.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl Program {
    fn status(&self, key: &str) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap();
        let line = status.lines().find_map(|it| it.strip_prefix(key)).unwrap();
        let kib: f64 = line.trim_start_matches(':').trim().trim_end_matches(" kB").parse().unwrap();
        kib / 1_024.0
    }

    /// Seconds of CPU so far, at the usual hundred ticks a second.
    fn cpu(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id())).unwrap();
        let fields: Vec<_> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
        ticks / 100.0
    }
}

fn with<M>(key: &str, message: M) -> Request<M> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {key}").parse().unwrap());
    request
}

/// A store with the reference data and an administrator, whose key it is.
async fn prepare(url: &str, audit_key: &Path) -> String {
    let db = Db::open(url).await.unwrap();
    let audit = sharehub::log::key::Key::open(audit_key).unwrap();
    let (slices, committer) =
        sharehub::server::start(db.clone(), Limits::default(), audit).await.unwrap();
    unit::store::reference::load_reference(&slices.hub).await.unwrap();
    let admin = SystemCode::parse("admin").unwrap();
    access::store::ensure_administrator(&slices.hub, &admin).await.unwrap();
    let (key, ..) =
        access::store::issue_key(&slices.hub, Issue { system: admin, expires_at: None })
            .await
            .unwrap();
    drop(slices);
    committer.await.unwrap();
    db.close().await;
    key
}

async fn connect(endpoint: &Endpoint) -> Channel {
    for _ in 0..600 {
        if let Ok(channel) = endpoint.connect().await {
            return channel;
        }
        time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the hub does not serve");
}

async fn publisher(channel: &Channel, admin: &str) -> (String, Vec<i64>) {
    let mut access = AccessServiceClient::new(channel.clone());
    let all = || vec!["*".to_owned()];
    let grants = pb::Grants { define_indicators: all(), ..Default::default() };
    let register = pb::RegisterSystemRequest {
        code: "bench".to_owned(),
        name: "bench".to_owned(),
        grants: Some(grants),
        ..Default::default()
    };
    access.register_system(with(admin, register)).await.unwrap();
    let every = pb::IndicatorDataset { patterns: all() };
    let operations = [
        pb::AgreementOperation::Read,
        pb::AgreementOperation::Watch,
        pb::AgreementOperation::Publish,
    ];
    let agreement = pb::Agreement {
        code: "bench".to_owned(),
        system: "bench".to_owned(),
        purpose: "bench".to_owned(),
        title: "Bench".to_owned(),
        legal_basis: "none".to_owned(),
        operations: operations.map(Into::into).into(),
        dataset: Some(pb::agreement::Dataset::Indicators(every)),
        valid_before: Some(prost_types::Timestamp { seconds: 1_900_000_000, nanos: 0 }),
        ..Default::default()
    };
    let grant = pb::GrantAgreementRequest { agreement: Some(agreement), ..Default::default() };
    access.grant_agreement(with(admin, grant)).await.unwrap();
    let issue =
        pb::IssueKeyRequest { system: "bench".to_owned(), expires_at: None, ..Default::default() };
    let key = access.issue_key(with(admin, issue)).await.unwrap().into_inner().key;
    let indicator = pb::Indicator {
        code: "bench.count".to_owned(),
        name_vi: "Đếm".to_owned(),
        kind: pb::IndicatorKind::Count.into(),
        unit_of_measure: "lần".to_owned(),
        direction: pb::IndicatorDirection::MoreIsBetter.into(),
        frequency: pb::ReportFrequency::Year.into(),
        time_rule: pb::TimeRule::Sum.into(),
        unit_rule: pb::UnitRule::Sum.into(),
        authoritative_source: "bench".to_owned(),
        collection_level: pb::UnitLevel::Commune.into(),
        calendar: pb::ReportCalendar::Calendar.into(),
        tree: pb::UnitTree::Territory.into(),
        ..Default::default()
    };
    let define = pb::DefineIndicatorsRequest { indicators: vec![indicator], ..Default::default() };
    IndicatorServiceClient::new(channel.clone())
        .define_indicators(with(&key, define))
        .await
        .unwrap();
    let list = pb::ListUnitsRequest {
        date: "2026-01-01".to_owned(),
        level: pb::UnitLevel::Commune.into(),
        page: Some(pb::PageRequest { size: 1_000, token: String::new() }),
        ..Default::default()
    };
    let units = UnitServiceClient::new(channel.clone()).list_units(with(&key, list)).await.unwrap();
    (key, units.into_inner().units.into_iter().map(|it| it.id).collect())
}

/// Takes all of a watch up, and how late each change came, in microseconds.
async fn watch(
    channel: Channel,
    key: String,
    total: usize,
    (opening, opened): (Arc<Semaphore>, mpsc::UnboundedSender<()>),
    sent: Arc<Vec<std::sync::OnceLock<Instant>>>,
) -> Vec<u64> {
    let filter =
        pb::IndicatorFilter { indicators: vec!["bench.*".to_owned()], ..Default::default() };
    let about = Some(pb::watch_filter::About::Indicators(filter));
    let request = pb::WatchRequest {
        filters: vec![pb::WatchFilter { about }],
        from: None,
        bookmark_seconds: 5,
    };
    let permit = opening.acquire().await.unwrap();
    let answer = FeedServiceClient::new(channel).watch(with(&key, request)).await.unwrap();
    let mut watch = answer.into_inner();
    watch.message().await.unwrap().unwrap();
    drop(permit);
    opened.send(()).unwrap();
    let mut lags = Vec::with_capacity(total);
    let mut last = 0;
    while lags.len() < total {
        let message = time::timeout(Duration::from_secs(60), watch.message()).await;
        let message = message.expect("a watch is not complete").unwrap().unwrap();
        let Some(Message::Changes(it)) = message.message else { continue };
        let now = Instant::now();
        for change in it.changes {
            assert!(change.revision > last, "out of order");
            last = change.revision;
            let Some(Subject::Observation(it)) = change.subject else { panic!("{change:?}") };
            let number: usize = it.figure.unwrap().value.unwrap().parse().unwrap();
            let sent = sent[number].get().unwrap();
            lags.push(u64::try_from((now - *sent).as_micros()).unwrap());
        }
    }
    lags
}

async fn measure(engine: &Engine) {
    let watches = scale("SHAREHUB_BENCH_WATCHES", 1_000);
    let rate = scale("SHAREHUB_BENCH_RATE", 50);
    let total = rate * scale("SHAREHUB_BENCH_SECONDS", 10);
    let url = engine.store("feed").await;
    let secrets = tempfile::tempdir().unwrap();
    let audit_key = secrets.path().join("audit-key");
    let admin = prepare(&url, &audit_key).await;
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let child = Command::new(env!("CARGO_BIN_EXE_sharehub"))
        .args(["serve", "--listen", &format!("127.0.0.1:{port}"), "--database-url", &url])
        .args(["--log", "warn", "--watches", "5000", "--watches-per-system", "5000", "--audit-key"])
        .arg(&audit_key)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let program = Program(child);
    let endpoint = Endpoint::from_shared(format!("http://127.0.0.1:{port}")).unwrap();
    let channel = connect(&endpoint).await;
    let (key, units) = publisher(&channel, &admin).await;
    time::sleep(Duration::from_secs(1)).await;
    let idle = program.status("VmRSS");

    let sent: Arc<Vec<_>> = Arc::new((0..total).map(|_| std::sync::OnceLock::new()).collect());
    let opening = Arc::new(Semaphore::new(OPENING));
    let (opened, mut told) = mpsc::unbounded_channel();
    let mut watchers = JoinSet::new();
    let mut connections = Vec::new();
    for i in 0..watches {
        if i % PER_CONNECTION == 0 {
            connections.push(connect(&endpoint).await);
        }
        let channel = connections.last().unwrap().clone();
        let open = (Arc::clone(&opening), opened.clone());
        watchers.spawn(watch(channel, key.clone(), total, open, Arc::clone(&sent)));
    }
    let mut open = 0;
    while open < watches {
        tokio::select! {
            Some(()) = told.recv() => open += 1,
            // Before anything was published, only a watch that failed has ended: so does the bench.
            Some(ended) = watchers.join_next() => panic!("a watch ended early: {ended:?}"),
        }
    }
    let with_watches = program.status("VmRSS");
    let (cpu, clock) = (program.cpu(), Instant::now());
    let mut publishing = JoinSet::new();
    let mut tick = time::interval(Duration::from_secs(1) / u32::try_from(rate).unwrap());
    for number in 0..total {
        tick.tick().await;
        let observation = pb::ObservationEntry {
            indicator: "bench.count".to_owned(),
            unit: Some(pb::UnitRef {
                r#ref: Some(pb::unit_ref::Ref::Id(units[number % units.len()])),
            }),
            period: (2026 + number / units.len()).to_string(),
            value: Some(number.to_string()),
            status: pb::ObservationStatus::Estimated.into(),
            ..Default::default()
        };
        let request = pb::PublishObservationsRequest {
            observations: vec![observation],
            ..Default::default()
        };
        let mut rpc = IndicatorServiceClient::new(channel.clone());
        sent[number].set(Instant::now()).unwrap();
        let request = with(&key, request);
        publishing.spawn(async move {
            let receipt = rpc.publish_observations(request).await.unwrap().into_inner().receipt;
            let receipt = receipt.unwrap();
            assert_eq!(receipt.created, 1, "{receipt:?}");
        });
    }
    while let Some(ended) = publishing.join_next().await {
        ended.unwrap();
    }
    drop(opened);
    let mut lags = Vec::with_capacity(watches * total);
    while let Some(ended) = watchers.join_next().await {
        let seen = ended.unwrap();
        assert_eq!(seen.len(), total, "a watch is not complete");
        lags.extend(seen);
    }
    let (cpu, seconds) = (program.cpu() - cpu, clock.elapsed().as_secs_f64());
    lags.sort_unstable();
    let at = |share: f64| lags[((lags.len() - 1) as f64 * share) as usize] as f64 / 1_000.0;
    println!(
        "| {} | {watches} | {total}, all in each watch | {:.0}, {:.0}, {:.0} | {cpu:.1} of {seconds:.1} \
         | {idle:.0}, {with_watches:.0}, {:.0} |",
        engine.name(),
        at(0.5),
        at(0.99),
        at(1.0),
        program.status("VmHWM"),
    );
}
