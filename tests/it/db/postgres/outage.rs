//! PostgreSQL goes away and comes back: calls end in time, health says so, and nothing acknowledged is lost or doubled.
//!
//! `SHAREHUB_TEST_DB_KILLS` says how often it is killed (5 unless given), `SHAREHUB_TEST_PAUSE_S` for how long it is
//! held up (8 unless given).
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use rand::{Rng, SeedableRng, rngs::StdRng};
use sharehub::{db::Options, limits::Limits, pb};
use tokio::{
    task::{self, JoinSet},
    time,
};
use tonic::Code;
use tonic_health::pb::health_check_response::ServingStatus;

use crate::support::{
    client::{Client, refusal},
    engine::{Store, scale},
    hub::{Hub, slow},
    ledger::{Book, check_all, persistent, prepare},
    outage::{SOON, healthy, server},
    postgres::url,
    proxy::Proxy,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "runs on PostgreSQL"]
async fn what_was_acknowledged_outlives_every_kill_of_postgresql() {
    let Some(mut server) = server().await else { return };
    let kills: u32 = scale("SHAREHUB_TEST_DB_KILLS", 5);
    let seed = rand::random();
    println!("seed {seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let store = Store::on(&server.url()).await;
    let options = Options::new(&store.url);
    let hub = Hub::open(store, options, slow()).await;
    let (key, units) = prepare(&hub.admin()).await;
    let (client, units) = (hub.as_(&key), Arc::new(units));
    let book = Arc::<Mutex<Book>>::default();
    let (stop, refused) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
    let mut publishers = JoinSet::new();
    for task in 0..4 {
        let (units, book, stop) = (Arc::clone(&units), Arc::clone(&book), Arc::clone(&stop));
        let refused = Arc::clone(&refused);
        publishers.spawn(persistent(
            client.clone(),
            units,
            book,
            format!("t{task}"),
            stop,
            refused,
        ));
    }
    let began = Instant::now();
    let mut slowest = Duration::ZERO;
    for kill in 0..kills {
        time::sleep(Duration::from_millis(rng.random_range(200..1_200))).await;
        task::block_in_place(|| if kill % 2 == 0 { server.kill() } else { server.kill_hard() });
        // Sometimes it is back before anybody noticed.
        let away = Duration::from_millis(rng.random_range(0..2_500));
        time::sleep(away).await;
        task::block_in_place(|| server.run());
        let back = Instant::now();
        let before = book.lock().unwrap().acknowledged.len();
        while book.lock().unwrap().acknowledged.len() == before {
            assert!(back.elapsed() < 2 * SOON, "no write is taken since it is back");
            time::sleep(Duration::from_millis(5)).await;
        }
        healthy(&hub, ServingStatus::Serving).await;
        let took = back.elapsed();
        println!("kill {kill}: away for {away:?}, writing and SERVING again after {took:?}");
        assert!(took < SOON, "SERVING came after {took:?}");
        slowest = slowest.max(took);
    }
    stop.store(true, Ordering::SeqCst);
    while let Some(ended) = publishers.join_next().await {
        ended.unwrap();
    }
    let last = check_all(&hub.store.url, &client, &book).await;
    let book = book.lock().unwrap();
    println!(
        "{kills} kills in {:?}: {} requests, {} observations, {last} revisions; {} times UNAVAILABLE; writing and \
         SERVING again within {slowest:?}",
        began.elapsed(),
        book.asked.len(),
        book.next,
        refused.load(Ordering::SeqCst),
    );
    assert!(book.asked.len() > 50, "only {} requests", book.asked.len());
    assert!(refused.load(Ordering::SeqCst) >= u64::from(kills), "the kills were not met");
}

/// Reads and writes, each with its own deadline, until it is told to stop. The codes that were answered.
async fn hasty(
    client: Client,
    name: String,
    deadline: Duration,
    stop: Arc<AtomicBool>,
) -> Vec<Code> {
    /// How much later than its deadline a call may end.
    const GRACE: Duration = Duration::from_millis(500);
    let mut codes = Vec::new();
    for turn in 0_u32.. {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        let began = Instant::now();
        let code = if turn % 2 == 0 {
            let mut request = tonic::Request::new(pb::QueryObservationsRequest {
                indicators: vec!["crash.count".to_owned()],
                ..Default::default()
            });
            request.set_timeout(deadline);
            client.indicators().query_observations(request).await.err()
        } else {
            let mut request = tonic::Request::new(pb::PublishObservationsRequest {
                request_id: format!("{name}-{turn}"),
                observations: vec![pb::ObservationEntry::default()],
                allow_partial: true,
                ..Default::default()
            });
            request.set_timeout(deadline);
            client.indicators().publish_observations(request).await.err()
        };
        let took = began.elapsed();
        assert!(took < deadline + GRACE, "{deadline:?} took {took:?}");
        codes.push(code.map_or(Code::Ok, |it| it.code()));
        time::sleep(Duration::from_millis(5)).await;
    }
    codes
}

/// What must hold while the store does not answer, however it came to that, and when it answers again.
async fn check_outage(hub: &Hub, client: &Client, away: Duration, go: impl Fn(bool)) {
    let stop = Arc::<AtomicBool>::default();
    let mut callers = JoinSet::new();
    for (index, deadline) in [300, 1_000, 3_000, 8_000].into_iter().enumerate() {
        for twin in 0..2 {
            let (client, stop) = (client.clone(), Arc::clone(&stop));
            let deadline = Duration::from_millis(deadline);
            callers.spawn(hasty(client, format!("c{index}-{twin}-{away:?}"), deadline, stop));
        }
    }
    time::sleep(Duration::from_millis(300)).await;
    go(false);
    let paused = Instant::now();
    let told = healthy(hub, ServingStatus::NotServing).await;
    assert!(told < SOON, "NOT_SERVING came after {told:?}");
    time::sleep(away.saturating_sub(paused.elapsed())).await;
    // Known to be away: it is said at once.
    let began = Instant::now();
    let request = pb::QueryObservationsRequest {
        indicators: vec!["crash.count".to_owned()],
        ..Default::default()
    };
    let answer = client.indicators().query_observations(request).await;
    assert_eq!(refusal(answer), (Code::Unavailable, "UNAVAILABLE".to_owned(), vec![]));
    assert!(began.elapsed() < Duration::from_millis(500));
    go(true);
    let back = healthy(hub, ServingStatus::Serving).await;
    assert!(back < SOON, "SERVING came after {back:?}");
    // It goes on, for reads and for writes.
    let request = pb::QueryObservationsRequest {
        indicators: vec!["crash.count".to_owned()],
        ..Default::default()
    };
    client.indicators().query_observations(request).await.unwrap();
    let request = pb::PublishObservationsRequest {
        request_id: format!("back-{away:?}"),
        observations: vec![pb::ObservationEntry::default()],
        // The entry is rejected, and the answer to the request is kept: a write.
        allow_partial: true,
        ..Default::default()
    };
    client.indicators().publish_observations(request).await.unwrap();
    stop.store(true, Ordering::SeqCst);
    let mut counts = std::collections::BTreeMap::<String, u32>::new();
    while let Some(codes) = callers.join_next().await {
        for code in codes.unwrap() {
            *counts.entry(format!("{code:?}")).or_default() += 1;
        }
    }
    println!("away for {away:?}: NOT_SERVING after {told:?}, SERVING after {back:?}, {counts:?}");
    // The client's own clock may run out first: it says CANCELLED.
    let known = ["Ok", "Unavailable", "DeadlineExceeded", "Cancelled", "ResourceExhausted"];
    assert!(counts.keys().all(|it| known.contains(&it.as_str())), "{counts:?}");
}

/// Limits of a hub whose callers are in a hurry.
fn ten_seconds() -> Limits {
    Limits { longest: Duration::from_secs(10), ..Limits::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "runs on PostgreSQL"]
async fn a_server_that_is_held_up_keeps_nobody_beyond_the_deadline() {
    let Some(server) = server().await else { return };
    let away = Duration::from_secs(scale("SHAREHUB_TEST_PAUSE_S", 8));
    let store = Store::on(&server.url()).await;
    let options = Options::new(&store.url);
    let hub = Hub::open(store, options, ten_seconds()).await;
    let (key, _) = prepare(&hub.admin()).await;
    let go = |on: bool| if on { server.resume() } else { server.pause() };
    check_outage(&hub, &hub.as_(&key), away, go).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "runs on PostgreSQL"]
async fn a_network_that_swallows_everything_keeps_nobody_beyond_the_deadline() {
    let Some(server) = server().await else { return };
    let away = Duration::from_secs(scale("SHAREHUB_TEST_PAUSE_S", 8));
    let store = Store::on(&server.url()).await;
    let proxy = Proxy::start(server.address).await;
    let options = Options::new(format!("{}/hub", url(proxy.address)));
    let hub = Hub::open(store, options, ten_seconds()).await;
    let (key, _) = prepare(&hub.admin()).await;
    let client = hub.as_(&key);
    check_outage(&hub, &client, away, |on| proxy.swallow(!on)).await;
    // Cut at once, and there again at once: whoever only reads does not even notice.
    for _ in 0..20 {
        proxy.cut();
        let request = pb::QueryObservationsRequest {
            indicators: vec!["crash.count".to_owned()],
            ..Default::default()
        };
        client.indicators().query_observations(request).await.unwrap();
    }
}
