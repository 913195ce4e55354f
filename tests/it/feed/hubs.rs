//! Several hubs on one store: no event comes behind a token, and watchers that are moved and cut miss nothing.
//!
//! `SHAREHUB_TEST_LATE` is the number of rounds of late commits (1,000 at full scale), `SHAREHUB_TEST_HUBS` the
//! seconds of publishing while clients are moved and cut (60 at full scale).
use std::{
    collections::BTreeSet,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use rand::{Rng, SeedableRng, rngs::StdRng};
use sharehub::{
    db::{
        Options,
        faults::{Faults, Shares},
    },
    pb::{self, watch_request::From},
};
use tokio::{task::JoinSet, time};
use tonic::{Streaming, transport::Endpoint};

use crate::support::{
    client::{Client, all_indicators},
    desk::{count, revision},
    engine::scale,
    history::{History, expected, indicators, saw},
    hub::{Hub, slow},
    proxy::Proxy,
};

type Made = Arc<Mutex<BTreeSet<(i64, String)>>>;

/// A system that publishes `doc.count`.
async fn publisher(hub: &Hub) -> Client {
    let source = hub.system(crate::support::desk::SOURCE, all_indicators()).await;
    let indicators = vec![count("doc.count")];
    let define = pb::DefineIndicatorsRequest { indicators, ..Default::default() };
    source.indicators().define_indicators(define).await.unwrap();
    source
}

async fn communes(client: &Client) -> Vec<i64> {
    let list = pb::ListUnitsRequest {
        date: "2026-01-01".to_owned(),
        level: pb::UnitLevel::Commune.into(),
        page: Some(pb::PageRequest { size: 1_000, token: String::new() }),
        ..Default::default()
    };
    let units = client.units().list_units(list).await.unwrap().into_inner().units;
    units.into_iter().map(|it| it.id).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_event_comes_behind_a_token_when_a_commit_is_late() {
    let rounds = scale("SHAREHUB_TEST_LATE", 100_u64);
    let store = Arc::new(crate::support::engine::Store::new().await);
    // The commits of one hub are late: those of the other come while they are open.
    let shares = Shares { late: 1.0, latest: Duration::from_millis(4), ..Shares::default() };
    let faults = Arc::new(Faults::new(7, shares));
    let options = Options { faults: Some(Arc::clone(&faults)), ..Options::new(&store.url) };
    let late = Hub::open(store, options, slow()).await;
    let source = publisher(&late).await;
    let prompt = late.another().await;
    let there = Client { channel: prompt.channel.clone(), key: source.key.clone() };
    let units = communes(&source).await;
    let mut watchers = JoinSet::new();
    let last = Arc::new(tokio::sync::watch::Sender::new(i64::MAX));
    for client in [source.clone(), there.clone(), source.clone(), there.clone()] {
        let mut history = History::of(vec![indicators(&["*"])]);
        let mut watch = history.watch(&client, Some(From::Now(true))).await.unwrap();
        // Its first bookmark: from here on it counts.
        history.take(watch.message().await.unwrap().unwrap());
        let mut last = last.subscribe();
        watchers.spawn(async move {
            while history.through < *last.borrow_and_update() {
                let message = time::timeout(Duration::from_secs(60), watch.message()).await;
                history.take(message.expect("it goes on").unwrap().unwrap());
            }
            history
        });
    }
    faults.begin();
    let made = Made::default();
    let mut newest = 0;
    for round in 0..rounds {
        let publish = |client: &Client, unit: i64| {
            let (client, made) = (client.clone(), Arc::clone(&made));
            let entries = vec![saw("doc.count", unit, "2026", i64::try_from(round).unwrap())];
            let request = pb::PublishObservationsRequest {
                observations: entries.clone(),
                ..Default::default()
            };
            async move {
                let answer = client.indicators().publish_observations(request).await.unwrap();
                let receipt = answer.into_inner().receipt.unwrap();
                made.lock().unwrap().extend(expected(&receipt, &entries));
                revision(&receipt)
            }
        };
        let open = tokio::spawn(publish(&source, units[0]));
        time::sleep(Duration::from_micros(300 * (round % 8))).await;
        newest = publish(&there, units[1]).await.max(open.await.unwrap());
    }
    last.send_replace(newest);
    while let Some(history) = watchers.join_next().await {
        let history = history.unwrap();
        history.check(&made.lock().unwrap());
        assert_eq!(history.changes.len(), usize::try_from(2 * rounds).unwrap());
    }
    println!("{rounds} rounds, revisions to {newest}: no event behind a token");
}

/// A client whose connection goes through a proxy.
fn through(proxy: &Proxy, like: &Client) -> Client {
    let endpoint = Endpoint::from_shared(format!("http://{}", proxy.address)).unwrap();
    let endpoint = endpoint.connect_timeout(Duration::from_secs(2));
    Client { channel: endpoint.connect_lazy(), key: like.key.clone() }
}

const PUBLISHERS: usize = 16;
const WATCHERS: usize = 4;

/// Watches to the last revision, through every cut. The history, and how often it was resumed.
async fn follow(
    client: Client,
    mut history: History,
    mut watch: Streaming<pb::WatchResponse>,
    mut last: tokio::sync::watch::Receiver<i64>,
    until: time::Instant,
) -> (History, u32) {
    let mut resumed = 0_u32;
    while history.through < *last.borrow_and_update() {
        assert!(time::Instant::now() < until, "a watcher does not come to the end");
        // Otherwise it was cut, has ended, or is silent for longer than a bookmark may be away.
        let message = time::timeout(Duration::from_secs(5), watch.message()).await;
        if let Ok(Ok(Some(message))) = message {
            history.take(message);
            continue;
        }
        while let Err(status) = history.resume(&client).await.map(|it| watch = it) {
            assert_ne!(status.code(), tonic::Code::InvalidArgument, "{status:?}");
            assert!(time::Instant::now() < until, "{status:?}");
            time::sleep(Duration::from_millis(20)).await;
        }
        resumed += 1;
    }
    (history, resumed)
}

/// Publishes until it is stopped, and sends again what was not answered. The newest revision.
async fn keep_publishing(
    client: Client,
    i: usize,
    units: Arc<Vec<i64>>,
    (stopped, made, retried): (Arc<AtomicBool>, Made, Arc<AtomicU64>),
) -> i64 {
    let mut newest = 0;
    for turn in 0_i64.. {
        if stopped.load(Ordering::Relaxed) {
            return newest;
        }
        let entries = vec![
            saw("doc.count", units[i], "2026", turn),
            saw("doc.count", units[i + PUBLISHERS], "2026", turn / 3),
        ];
        let request = pb::PublishObservationsRequest {
            request_id: format!("{i}-{turn}"),
            observations: entries.clone(),
            ..Default::default()
        };
        let receipt = loop {
            let mut rpc = client.indicators();
            let again = rpc.publish_observations(request.clone());
            match time::timeout(Duration::from_secs(10), again).await {
                Ok(Ok(answer)) => break answer.into_inner().receipt.unwrap(),
                Ok(Err(_)) | Err(_) => {
                    retried.fetch_add(1, Ordering::Relaxed);
                    time::sleep(Duration::from_millis(10)).await;
                }
            }
        };
        made.lock().unwrap().extend(expected(&receipt, &entries));
        newest = newest.max(revision(&receipt));
    }
    newest
}

/// Chaos, until the time is up: connections are cut, moved and delayed. How often.
async fn disturb(proxies: &[Arc<Proxy>], addresses: [SocketAddr; 2], long: Duration) -> u64 {
    let mut cuts = 0;
    let seed = rand::random::<u64>();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let end = time::Instant::now() + long;
    while time::Instant::now() < end {
        let proxy = &proxies[random.random_range(0..proxies.len())];
        proxy.to(addresses[random.random_range(0..2)]);
        match random.random_range(0..10) {
            0 => proxy.half_close(),
            1 => proxy.delay(Duration::from_millis(random.random_range(0..20))),
            _ => proxy.cut(),
        }
        cuts += 1;
        time::sleep(Duration::from_millis(random.random_range(5..40))).await;
    }
    cuts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watchers_that_are_moved_between_hubs_and_cut_have_every_change_once_in_order() {
    let seconds = scale("SHAREHUB_TEST_HUBS", 4_u64);
    let first = Hub::start().await;
    let source = publisher(&first).await;
    let second = first.another().await;
    let units = Arc::new(communes(&source).await);
    let addresses = [first.address, second.address];
    let mut proxies = Vec::new();
    for i in 0..PUBLISHERS + WATCHERS {
        proxies.push(Arc::new(Proxy::start(addresses[i % 2]).await));
    }
    let (stopped, made) = (Arc::new(AtomicBool::new(false)), Made::default());
    let retried = Arc::new(AtomicU64::new(0));
    let last = Arc::new(tokio::sync::watch::Sender::new(i64::MAX));

    let mut watchers = JoinSet::new();
    for proxy in proxies.iter().skip(PUBLISHERS) {
        let client = through(proxy, &source);
        let last = last.subscribe();
        let mut history = History::of(vec![indicators(&["*"])]);
        let mut watch = history.watch(&client, Some(From::Now(true))).await.unwrap();
        history.take(watch.message().await.unwrap().unwrap());
        let until = time::Instant::now() + Duration::from_secs(seconds + 120);
        watchers.spawn(follow(client, history, watch, last, until));
    }
    let mut publishers = JoinSet::new();
    for (i, proxy) in proxies.iter().take(PUBLISHERS).enumerate() {
        let client = through(proxy, &source);
        let (stopped, made, retried) =
            (Arc::clone(&stopped), Arc::clone(&made), Arc::clone(&retried));
        let units = Arc::clone(&units);
        publishers.spawn(keep_publishing(client, i, units, (stopped, made, retried)));
    }
    let cuts = disturb(&proxies, addresses, Duration::from_secs(seconds)).await;
    stopped.store(true, Ordering::Relaxed);
    let mut newest = 0;
    while let Some(ended) = publishers.join_next().await {
        newest = newest.max(ended.unwrap());
    }
    last.send_replace(newest);
    let made = made.lock().unwrap().clone();
    let mut resumes = 0;
    while let Some(ended) = watchers.join_next().await {
        let (history, resumed) = ended.unwrap();
        history.check(&made);
        resumes += resumed;
    }
    let retried = retried.load(Ordering::Relaxed);
    println!(
        "{seconds} s, {cuts} cuts and moves: {} changes, {retried} publishes sent again, {resumes} watches resumed",
        made.len()
    );
    // A run in which nothing happened proves nothing.
    assert!(made.len() > 50 && resumes > 3 && retried > 3, "{} {resumes} {retried}", made.len());
}
