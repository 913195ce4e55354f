//! Random histories, written to a hub on SQLite and to one on PostgreSQL: every answer is the same, byte for byte.
//!
//! `SHAREHUB_TEST_HISTORIES` says how many (6 unless given), `SHAREHUB_TEST_SEED` from which seed on.
use std::{
    collections::BTreeMap,
    fmt::Debug,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Instant,
};

use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, ReflectMessage};
use sharehub::{
    db::{Clock, Options},
    pb,
    time::Timestamp,
};
use tonic::{Response, Status, Streaming};

use crate::support::{
    client::{Client, Grants},
    engine::{Store, scale},
    hub::{Hub, slow},
};

/// Steps of one history.
const STEPS: u32 = 60;

/// 2026-02-01 in UTC: commit times are in the past, so that they can be asked about.
const BEGAN: i64 = 1_769_904_000_000_000;

/// The two hubs, and what was asked of both.
struct Pair {
    hubs: [Hub; 2],
    clients: [Client; 2],
    clock: Arc<AtomicI64>,
    seed: u64,
    asked: BTreeMap<&'static str, u32>,
    refused: AtomicU64,
}

/// An answer's bytes, without the checkpoint in its receipt: each log is signed by its own hub's time.
fn bytes_of(what: &str, answer: &impl Message) -> Vec<u8> {
    static POOL: LazyLock<DescriptorPool> =
        LazyLock::new(|| DescriptorPool::decode(pb::DESCRIPTORS).unwrap());
    let words = what.split('_').map(|it| it[..1].to_uppercase() + &it[1..]);
    let name = format!("sharehub.v1.{}Response", words.collect::<String>());
    let message = POOL.get_message_by_name(&name).unwrap();
    let mut message = DynamicMessage::decode(message, answer.encode_to_vec().as_slice()).unwrap();
    if message.descriptor().get_field_by_name("receipt").is_some() {
        let mut receipt = message.get_field_by_name("receipt").unwrap().into_owned();
        receipt.as_message_mut().unwrap().clear_field_by_name("checkpoint");
        message.set_field_by_name("receipt", receipt);
    }
    message.encode_to_vec()
}

/// The two answers, encoded: they must be the same.
fn same<A: Message + Debug>(
    what: &str,
    seed: u64,
    request: &dyn Debug,
    answers: [Result<A, Status>; 2],
) -> Option<A> {
    let bytes = |it: &Result<A, Status>| match it {
        Ok(answer) => (0, String::new(), bytes_of(what, answer)),
        Err(status) => {
            (status.code() as i32, status.message().to_owned(), status.details().to_vec())
        }
    };
    let [sqlite, postgres] = answers;
    assert!(
        bytes(&sqlite) == bytes(&postgres),
        "SHAREHUB_TEST_SEED={seed}: {what} {request:?}\nSQLite:     {sqlite:?}\nPostgreSQL: {postgres:?}"
    );
    let code = sqlite.as_ref().err().map(Status::code);
    let known = [
        None,
        Some(tonic::Code::InvalidArgument),
        Some(tonic::Code::NotFound),
        Some(tonic::Code::AlreadyExists),
        Some(tonic::Code::OutOfRange),
        Some(tonic::Code::FailedPrecondition),
        Some(tonic::Code::PermissionDenied),
    ];
    assert!(known.contains(&code), "SHAREHUB_TEST_SEED={seed}: {what} {request:?}: {sqlite:?}");
    sqlite.ok()
}

/// All messages of a stream, as one list of their bytes.
async fn whole<A: Message + Default>(
    answer: Result<Response<Streaming<A>>, Status>,
) -> Result<Vec<A>, Status> {
    let mut stream = answer?.into_inner();
    let mut all = Vec::new();
    while let Some(message) = stream.message().await? {
        all.push(message);
    }
    Ok(all)
}

macro_rules! both {
    ($pair:expr, $client:ident.$method:ident($request:expr)) => {{
        let (pair, request) = (&mut *$pair, $request);
        *pair.asked.entry(stringify!($method)).or_default() += 1;
        let [one, two] = &pair.clients;
        let answers = [
            one.$client().$method(request.clone()).await.map(Response::into_inner),
            two.$client().$method(request.clone()).await.map(Response::into_inner),
        ];
        let answer = same(stringify!($method), pair.seed, &request, answers);
        pair.refused.fetch_add(u64::from(answer.is_none()), Ordering::Relaxed);
        answer
    }};
}

macro_rules! both_whole {
    ($pair:expr, $client:ident.$method:ident($request:expr)) => {{
        let (pair, request) = (&mut *$pair, $request);
        *pair.asked.entry(stringify!($method)).or_default() += 1;
        let [one, two] = &pair.clients;
        let sqlite = whole(one.$client().$method(request.clone()).await).await;
        let postgres = whole(two.$client().$method(request.clone()).await).await;
        let bytes = |it: &Result<Vec<_>, Status>| match it {
            Ok(all) => all.iter().flat_map(Message::encode_to_vec).collect(),
            Err(status) => status.details().to_vec(),
        };
        let seed = pair.seed;
        assert!(
            bytes(&sqlite) == bytes(&postgres),
            "SHAREHUB_TEST_SEED={seed}: {request:?}\nSQLite:     {sqlite:?}\nPostgreSQL: {postgres:?}"
        );
    }};
}

// After the macros, which they use.
mod questions;
mod story;

use story::Story;
impl Pair {
    async fn start() -> Self {
        let clock = Arc::new(AtomicI64::new(BEGAN));
        let told = Arc::clone(&clock);
        let now = move || Timestamp::from_micros(told.load(Ordering::SeqCst));
        let clock_of_both = Clock::new(now);
        let [one, two] = Store::twins(&clock_of_both).await;
        let open = async |store: Store| {
            let options = Options { clock: clock_of_both.clone(), ..Options::new(&store.url) };
            Hub::open(store, options, slow()).await
        };
        let hubs = [open(one).await, open(two).await];
        let everything = || Grants {
            define_indicators: vec!["*".to_owned()],
            publish_indicators: vec!["*".to_owned()],
            read_indicators: vec!["*".to_owned()],
            define_procedures: true,
            publish_dossiers: true,
            read_dossiers: true,
            ..Default::default()
        };
        let clients = [
            hubs[0].system("nguon", everything()).await,
            hubs[1].system("nguon", everything()).await,
        ];
        let asked = BTreeMap::new();
        Self { hubs, clients, clock, seed: 0, asked, refused: AtomicU64::new(0) }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "runs on PostgreSQL"]
async fn random_histories_are_told_alike_by_both_engines() {
    let count: u64 = scale("SHAREHUB_TEST_HISTORIES", 6);
    let first: u64 = scale("SHAREHUB_TEST_SEED", u64::from(rand::random::<u32>()));
    println!("SHAREHUB_TEST_SEED={first}");
    let mut pair = Pair::start().await;
    assert_eq!(pair.hubs.each_ref().map(|it| it.hub.db.engine()), ["sqlite", "postgres"]);
    let began = Instant::now();
    let mut revisions = 0;
    for seed in first..first + count {
        pair.seed = seed;
        let mut story = Story::new(seed);
        // There is something to speak about.
        let definitions = story.indicators[..5].to_vec();
        let indicators = definitions.into_iter().map(|it| story.definition(it)).collect();
        let define = pb::DefineIndicatorsRequest { indicators, ..Default::default() };
        let receipt =
            both!(&mut pair, indicators.define_indicators(define)).and_then(|it| it.receipt);
        story.kept(receipt);
        let procedure = |it: &String| pb::Procedure {
            code: it.clone(),
            name: "Đăng ký".to_owned(),
            ..Default::default()
        };
        let procedures = story.procedures[..3].iter().map(procedure).collect();
        let define = pb::DefineProceduresRequest { procedures, ..Default::default() };
        let receipt =
            both!(&mut pair, dossiers.define_procedures(define)).and_then(|it| it.receipt);
        story.kept(receipt);
        for turn in 0..STEPS {
            story.turn = turn;
            // The clock stands still, goes on, or steps back.
            let step = story.any(&[0, 1, 1_000, 250_000, 1_000_000, 3_000_000, -2_000_000]);
            pair.clock.fetch_add(step, Ordering::SeqCst);
            if story.chance(0.45) {
                story.write(&mut pair).await;
            } else {
                story.read(&mut pair).await;
            }
        }
        story.compact(&pair).await;
        for _ in 0..5 {
            story.read(&mut pair).await;
        }
        revisions += story.revisions.len();
    }
    let calls: u32 = pair.asked.values().sum();
    println!(
        "{count} histories in {:?}: {calls} calls of each hub were answered alike, {} of them refused; {revisions} \
         receipts; {:?}",
        began.elapsed(),
        pair.refused.load(Ordering::Relaxed),
        pair.asked,
    );
    // A history in which everything was refused proves nothing.
    assert!(pair.refused.load(Ordering::Relaxed) < u64::from(calls) / 2);
}
