//! A streaming standby: it answers what it has reached and nothing else, and takes over without a loss.
use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use rand::{Rng, SeedableRng, rngs::StdRng};
use sharehub::{db::Options, pb};
use tokio::{
    task::{self, JoinSet},
    time,
};
use tonic_health::pb::health_check_response::ServingStatus;

use crate::support::{
    client::{Client, exactly},
    engine::{Store, scale, sql},
    history::{History, indicators},
    hub::{Hub, slow},
    ledger::{Asked, Book, check_all, entry, insist, numbers, persistent, prepare, standing},
    outage::{SOON, healthy, server},
    postgres::{Server, url},
    proxy::Proxy,
};

/// A primary with the reference data in it, and a standby without which it acknowledges nothing.
async fn pair() -> Option<(Server, Server, Store)> {
    let primary = server().await?;
    let store = Store::on(&primary.url()).await;
    let (primary, standby) = task::spawn_blocking(move || {
        let standby = primary.standby();
        (primary, standby)
    })
    .await
    .unwrap();
    sql(&primary.url(), "ALTER SYSTEM SET synchronous_standby_names = '*'").await;
    sql(&primary.url(), "SELECT pg_reload_conf()").await;
    Some((primary, standby, store))
}

/// How many observations stand, at a revision or now.
async fn count(client: &Client, consistency: Option<pb::Consistency>) -> (i64, i64) {
    let request = pb::QueryObservationsRequest {
        indicators: vec!["crash.count".to_owned()],
        page: Some(pb::PageRequest { size: 1_000, token: String::new() }),
        consistency,
        ..Default::default()
    };
    let answer = client.indicators().query_observations(request).await.unwrap().into_inner();
    assert!(answer.next_page_token.is_empty());
    (answer.observations.len().try_into().unwrap(), answer.read_at.unwrap().number)
}

/// Transactions that a server has done in the hub's database; reported by its sessions within a second or so.
async fn transactions(server: &Server) -> i64 {
    let ask = "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = 'hub'";
    numbers(&format!("{}/postgres", server.url()), ask).await.into_iter().sum()
}

/// Waits until the standby answers reads at the newest revision.
async fn in_use(client: &Client, standby: &Server) {
    let began = Instant::now();
    loop {
        let before = transactions(standby).await;
        for _ in 0..50 {
            count(client, None).await;
        }
        time::sleep(Duration::from_millis(1_200)).await;
        // The hub itself asks ten times a second how far it has come.
        if transactions(standby).await - before > 50 {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "the standby is not asked");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "runs on PostgreSQL"]
async fn a_standby_answers_only_what_it_has_reached() {
    let Some((primary, mut standby, store)) = pair().await else { return };
    let seed = scale("SHAREHUB_TEST_SEED", rand::random());
    println!("SHAREHUB_TEST_SEED={seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let replica_url = Some(format!("{}/hub", standby.url()));
    let options = Options { replica_url, ..Options::new(&store.url) };
    let hub = Hub::open(store, options, slow()).await;
    let (key, units) = prepare(&hub.admin()).await;
    let client = hub.as_(&key);
    let mut book = Book::default();
    let mut history = vec![(count(&client, None).await.1, 0)];
    in_use(&client, &standby).await;
    let admin = format!("{}/postgres", standby.url());
    let paused = "SELECT (pg_get_wal_replay_pause_state() = 'paused')::int::bigint";
    let mut behind = 0;
    for turn in 0..60 {
        // It lags behind, stands still, is killed, comes back: whoever asks does not notice.
        match turn {
            10 | 30 => {
                sql(&standby.url(), "SELECT pg_wal_replay_pause()").await;
                while numbers(&admin, paused).await != [1] {
                    time::sleep(Duration::from_millis(10)).await;
                }
            }
            20 | 40 => sql(&standby.url(), "SELECT pg_wal_replay_resume()").await,
            45 => {
                // Nothing is acknowledged without it, so nothing is written meanwhile.
                task::block_in_place(|| standby.kill());
                let (revision, counted) = *history.last().unwrap();
                assert_eq!(count(&client, None).await, (counted, revision));
                task::block_in_place(|| standby.run());
            }
            50 => standby.pause(),
            _ => {}
        }
        if turn == 50 {
            let began = Instant::now();
            let (revision, counted) = *history.last().unwrap();
            assert_eq!(count(&client, None).await, (counted, revision));
            assert!(began.elapsed() < Duration::from_secs(3), "a standby that hangs is waited for");
            standby.resume();
        }
        let asked = book.ask(format!("r{turn}"), 1);
        let (receipt, _) = insist(&client, &units, &asked).await;
        let revision = receipt.revision.unwrap().number;
        history.push((revision, i64::from(book.next)));
        behind += u32::from((10..20).contains(&turn) || (30..40).contains(&turn));
        // The newest, and one of the past.
        assert_eq!(count(&client, None).await, (i64::from(book.next), revision));
        let (then, counted) = history[rng.random_range(0..history.len())];
        assert_eq!(count(&client, exactly(then)).await, (counted, then));
    }
    in_use(&client, &standby).await;
    // It does not answer for the primary: whether a right was taken away meanwhile, only that one could say.
    primary.pause();
    healthy(&hub, ServingStatus::NotServing).await;
    let request = pb::QueryObservationsRequest {
        indicators: vec!["crash.count".to_owned()],
        ..Default::default()
    };
    let refused = client.indicators().query_observations(request).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::Unavailable, "{refused:?}");
    primary.resume();
    let back = healthy(&hub, ServingStatus::Serving).await;
    assert!(back < SOON, "SERVING came after {back:?}");
    assert_eq!(count(&client, None).await.0, i64::from(book.next));
    println!("{} reads and writes, {behind} while the standby was behind", history.len());
}

/// Watches until a revision is known to be the last and has come, from what it had whenever it is cut off. The
/// history, and how often it was cut.
async fn watch_until(watcher: Client, last: Arc<AtomicI64>) -> (History, u32) {
    let mut history = History::of(vec![indicators(&["crash.count"])]);
    let mut watch = history.resume(&watcher).await;
    let mut cuts = 0;
    loop {
        if let Ok(watch) = &mut watch {
            while let Ok(Some(message)) = watch.message().await {
                history.take(message);
                let last = last.load(Ordering::SeqCst);
                if last > 0 && history.through >= last {
                    return (history, cuts);
                }
            }
        }
        cuts += 1;
        time::sleep(Duration::from_millis(50)).await;
        watch = history.resume(&watcher).await;
    }
}

/// The changes that a watcher must have of all that was acknowledged.
fn changes(book: &Book, units: &[i64]) -> BTreeSet<(i64, String)> {
    let changed = |asked: &Asked| {
        let revision = book.acknowledged[&asked.request_id];
        let key = |number| {
            let entry = entry(units, number);
            let Some(pb::unit_ref::Ref::Id(unit)) = entry.unit.unwrap().r#ref else {
                unreachable!()
            };
            let (indicator, period) = (entry.indicator, entry.period);
            (revision, format!("observation {indicator} {unit} {period} {:?}", entry.breakdown))
        };
        (asked.first..asked.first + asked.count).map(key).collect::<Vec<_>>()
    };
    book.asked.values().flat_map(changed).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "runs on PostgreSQL"]
async fn a_promoted_standby_has_all_that_was_acknowledged() {
    let Some((mut primary, standby, store)) = pair().await else { return };
    let proxy = Proxy::start(primary.address).await;
    let options = Options {
        replica_url: Some(format!("{}/hub", standby.url())),
        ..Options::new(format!("{}/hub", url(proxy.address)))
    };
    let hub = Hub::open(store, options, slow()).await;
    let (key, units) = prepare(&hub.admin()).await;
    let (client, units) = (hub.as_(&key), Arc::new(units));
    let book = Arc::<Mutex<Book>>::default();
    let (stop, refused) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
    // Watched from before the first write, and from what the watcher had whenever it is cut off.
    let until = Arc::<AtomicI64>::default();
    let watcher = task::spawn(watch_until(client.clone(), Arc::clone(&until)));
    let mut publishers = JoinSet::new();
    for task in 0..4 {
        let (units, book) = (Arc::clone(&units), Arc::clone(&book));
        let (stop, refused) = (Arc::clone(&stop), Arc::clone(&refused));
        let name = format!("t{task}");
        publishers.spawn(persistent(client.clone(), units, book, name, stop, refused));
    }
    time::sleep(Duration::from_secs(2)).await;
    // The primary is lost, with all that it had.
    task::block_in_place(|| primary.kill_hard());
    let before = book.lock().unwrap().acknowledged.clone();
    proxy.to(standby.address);
    proxy.cut();
    task::block_in_place(|| standby.promote());
    let back = Instant::now();
    healthy(&hub, ServingStatus::Serving).await;
    let there = standing(&client).await;
    let at: BTreeSet<i64> = there.values().copied().collect();
    assert!(before.values().all(|it| at.contains(it)), "an acknowledged revision is lost");
    while book.lock().unwrap().acknowledged.len() <= before.len() {
        assert!(back.elapsed() < SOON, "no write is taken by the promoted standby");
        time::sleep(Duration::from_millis(10)).await;
    }
    let took = back.elapsed();
    time::sleep(Duration::from_secs(1)).await;
    stop.store(true, Ordering::SeqCst);
    while let Some(ended) = publishers.join_next().await {
        ended.unwrap();
    }
    let last = check_all(&format!("{}/hub", standby.url()), &client, &book).await;
    until.store(last, Ordering::SeqCst);
    let watched = time::timeout(Duration::from_secs(60), watcher).await;
    let (history, cuts) = watched.expect("the watcher does not go on").unwrap();
    history.check(&changes(&book.lock().unwrap(), &units));
    println!("{} changes were watched, over {cuts} cuts", history.changes.len());
    println!(
        "{} requests were acknowledged before and {} after, {last} revisions; {} times UNAVAILABLE; writing again \
         {took:?} after the promotion",
        before.len(),
        book.lock().unwrap().acknowledged.len() - before.len(),
        refused.load(Ordering::SeqCst),
    );
    assert!(before.len() > 20 && book.lock().unwrap().acknowledged.len() > before.len() + 5);
}
