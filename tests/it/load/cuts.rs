//! Loads that are cut, taken over, held back or ended: nothing is doubled, nothing acknowledged is lost.
use std::time::Duration;

use rand::{Rng, SeedableRng, rngs::StdRng};
use sea_orm::{ConnectionTrait, Database, Statement};
use sharehub::pb;
use tokio::{sync::mpsc, time};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request};

use crate::support::{
    client::{Grants, Key, all_indicators, refusal},
    desk::{Desk, SOURCE},
    loads::{Sender, Told, counts, entries, entry, items, open},
    program::Program,
};

// === cut, killed, taken over, held back, ended ===

/// How often items were kept, by the log of revisions, since a revision: it counts one kept twice twice.
async fn kept(url: &str, since: i64) -> i64 {
    let db = Database::connect(url).await.unwrap();
    let ask = format!(
        "SELECT CAST(COALESCE(SUM(items), 0) AS BIGINT) FROM revision_log \
         WHERE revision > {since} AND (touched & 16) <> 0"
    );
    let ask = Statement::from_string(db.get_database_backend(), ask);
    let row = db.query_one_raw(ask).await.unwrap().unwrap();
    let kept = row.try_get_by_index(0).unwrap();
    db.close().await.unwrap();
    kept
}

/// Cuts a load at random points, by dropping the client and by killing the hub, and goes on. Whatever is done again
/// would be seen: an item says another value each time it is sent.
#[tokio::test]
async fn cut_and_killed_at_random_points_a_load_is_done_exactly_once() {
    const ITEMS: i64 = 3_000;
    let (mut rng, seed) = seeded();
    let desk = Desk::start().await;
    let units = desk.communes().await[..1_000].to_vec();
    let url = desk.hub.store.url.clone();
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("url"), &url).unwrap();
    let Key(key) = desk.source.key.clone();
    let key = key.unwrap();
    let before = desk.head().await;
    let _store = std::sync::Arc::clone(&desk.hub.store);
    desk.hub.stop().await;
    let mut program = Program::serve(dir.path(), &[]).await;
    let (mut attempt, mut known, mut kills) = (0, 0, 0);
    loop {
        attempt += 1;
        assert!(attempt < 500, "it does not come on; seed {seed}");
        let Ok(mut sender) = Sender::silent(&program.as_(&key)).await else { continue };
        sender.say(open("load")).await;
        let Ok(Some(Told::Opened(opened))) = sender.next().await else { continue };
        let through = opened.durable_through;
        assert!(through >= known, "what was acknowledged is durable: {through} < {known}, {seed}");
        if through == ITEMS {
            break;
        }
        let cut = rng.random_range(0..8);
        let mut first = through + 1;
        for _ in 0..cut {
            let last = (first + rng.random_range(0..150)).min(ITEMS);
            let told = |it: i64| pb::ObservationEntry {
                value: Some((it * 1_000 + attempt).to_string()),
                ..entry(&units, it)
            };
            sender.send(first, (first..=last).map(told).collect()).await;
            if rng.random_bool(0.3) {
                known = sender.acknowledged().await.unwrap().durable_through;
            }
            first = last + 1;
            if first > ITEMS {
                break;
            }
        }
        if kills < 4 && rng.random_bool(0.2) {
            kills += 1;
            program.kill();
            program = Program::serve(dir.path(), &[]).await;
        }
        drop(sender);
    }
    drop(program);
    assert_eq!(kept(&url, before).await, ITEMS, "seed {seed}");
    println!("{attempt} streams, {kills} kills, seed {seed}");
}

fn seeded() -> (StdRng, u64) {
    let seed = std::env::vars().find(|(key, _)| key == "SHAREHUB_TEST_SEED");
    let seed = seed.and_then(|(_, it)| it.parse().ok());
    let seed = seed.unwrap_or_else(rand::random);
    (StdRng::seed_from_u64(seed), seed)
}

#[tokio::test]
async fn a_load_that_is_opened_again_is_taken_over_and_nothing_is_doubled_or_lost() {
    let desk = Desk::start().await;
    let units = &desk.communes().await[..100];
    let before = desk.head().await;
    let (mut first, _) = Sender::open(&desk.source, "a").await;
    first.send(1, entries(units, 1..=10)).await;
    assert_eq!(first.acknowledged().await.unwrap().durable_through, 10);
    let (mut second, through) = Sender::open(&desk.source, "a").await;
    assert_eq!(through, 10);
    second.send(11, entries(units, 11..=20)).await;
    assert_eq!(second.acknowledged().await.unwrap().durable_through, 20);
    first.send(11, entries(units, 11..=30)).await;
    let (code, reason, _) = first.refused().await;
    assert_eq!((code, reason.as_str()), (Code::FailedPrecondition, "LOAD_TAKEN"));
    second.send(21, entries(units, 21..=30)).await;
    let (all, ended) = second.close().await;
    ended.unwrap();
    assert_eq!(all.last().unwrap().durable_through, 30);

    // Both at once, over and over: whoever is taken over opens again, and each item is kept once.
    let race = async |name: &str| loop {
        let (mut sender, through) = Sender::open(&desk.source, "race").await;
        if through == 200 {
            return;
        }
        let told = |it: i64| pb::ObservationEntry {
            value: Some(format!("{name}{it}")),
            ..entry(units, it)
        };
        for first in (through + 1..=200).step_by(10) {
            let last = (first + 9).min(200);
            sender.send(first, (first..=last).map(told).collect()).await;
            match sender.acknowledged().await {
                Ok(it) => assert_eq!(it.durable_through, last),
                Err(status) => {
                    assert_eq!(refusal(Err::<(), _>(status)).1, "LOAD_TAKEN");
                    break;
                }
            }
        }
    };
    let both = async { tokio::join!(race("2022"), race("2023")) };
    time::timeout(Duration::from_secs(100), both).await.expect("both come to an end");
    assert_eq!(kept(&desk.hub.store.url, before).await, 30 + 200);
}

#[tokio::test]
async fn a_sender_that_does_not_take_its_answers_is_held_back() {
    let desk = Desk::start().await;
    let units = &desk.communes().await[..2_000];
    let narrow = desk.hub.narrow(&desk.source, 64);
    let (sender, _) = Sender::open(&narrow, "a").await;
    let all: Vec<_> = (1..=300)
        .map(|it| items(it * 100 - 99, entries(units, it * 100 - 99..=it * 100)))
        .collect();
    let mut sent = 0;
    for message in &all {
        let say = sender.sends.as_ref().unwrap().send(message.clone());
        match time::timeout(Duration::from_secs(5), say).await {
            Ok(said) => said.unwrap(),
            Err(_) => break,
        }
        sent += 1;
    }
    assert!(sent < all.len(), "everything was taken, though no answer was");
    let durable = desk.head().await;
    // As soon as they are taken, it goes on to the end.
    let mut sender = sender;
    let sends = sender.sends.take().unwrap();
    let rest: Vec<_> = all[sent..].to_vec();
    let rest = tokio::spawn(async move {
        for message in rest {
            sends.send(message).await.unwrap();
        }
    });
    let (all, ended) = sender.close().await;
    ended.unwrap();
    rest.await.unwrap();
    assert_eq!(all.last().unwrap().durable_through, 30_000);
    assert_eq!(counts(&all), [30_000, 0, 0, 0]);
    assert!(desk.head().await > durable, "the rest was written when there was room");
}

#[tokio::test]
async fn a_right_that_is_taken_away_ends_the_load_with_the_next_batch() {
    let desk = Desk::start().await;
    let units = &desk.communes().await[..100];
    let (mut sender, _) = Sender::open(&desk.source, "a").await;
    sender.send(1, entries(units, 1..=10)).await;
    sender.acknowledged().await.unwrap();
    let before = desk.head().await;
    let reader = Grants { read_indicators: vec!["*".to_owned()], ..Default::default() };
    desk.hub.register(SOURCE, reader).await;
    sender.send(11, entries(units, 11..=20)).await;
    let (code, reason, _) = sender.refused().await;
    assert_eq!((code, reason.as_str()), (Code::PermissionDenied, "NOT_PERMITTED"));
    assert_eq!(kept(&desk.hub.store.url, before).await, 0);

    desk.hub.register(SOURCE, all_indicators()).await;
    let (sender, through) = Sender::open(&desk.source, "a").await;
    assert_eq!(through, 10);
    let disable = pb::DisableSystemRequest { code: SOURCE.to_owned(), ..Default::default() };
    desk.hub.admin().access().disable_system(disable).await.unwrap();
    sender.send(11, entries(units, 11..=20)).await;
    let (code, reason, _) = sender.refused().await;
    assert_eq!((code, reason.as_str()), (Code::Unauthenticated, "CALLER_UNKNOWN"));
    assert_eq!(kept(&desk.hub.store.url, before).await, 0);
}

#[tokio::test]
async fn a_load_ends_when_the_hub_stops_and_at_its_deadline() {
    let desk = Desk::start().await;
    let units = &desk.communes().await[..100];
    let (sends, messages) = mpsc::channel(1);
    let mut request = Request::new(ReceiverStream::new(messages));
    request.set_timeout(Duration::from_secs(2));
    let told = desk.source.indicators().ingest_observations(request).await.unwrap().into_inner();
    let sender = Sender { sends: Some(sends), told };
    sender.say(open("a")).await;
    let mut sender = sender;
    sender.next().await.unwrap();
    let ended = sender.next().await;
    assert_eq!(refusal(ended).1, "OUT_OF_TIME");

    let (mut sender, _) = Sender::open(&desk.source, "a").await;
    sender.send(1, entries(units, 1..=10)).await;
    sender.acknowledged().await.unwrap();
    desk.hub.hub.stopping.cancel();
    let (code, reason, _) = refusal(sender.next().await);
    assert_eq!((code, reason.as_str()), (Code::Unavailable, "UNAVAILABLE"));
}

#[tokio::test]
async fn a_load_ends_well_only_when_all_of_it_is_durable() {
    for wait in [0, 20, 60, 150] {
        let desk = Desk::start().await;
        let units = &desk.communes().await[..2_000];
        let (mut sender, _) = Sender::open(&desk.source, "a").await;
        let sends = sender.sends.take().unwrap();
        let batches: Vec<_> = (0..12)
            .map(|it| items(it * 1_000 + 1, entries(units, it * 1_000 + 1..=it * 1_000 + 1_000)))
            .collect();
        let sending = tokio::spawn(async move {
            for batch in batches {
                if sends.send(batch).await.is_err() {
                    break;
                }
            }
        });
        let stopping = desk.hub.hub.stopping.clone();
        let stop = tokio::spawn(async move {
            time::sleep(Duration::from_millis(wait)).await;
            stopping.cancel();
        });
        let (all, ended) = sender.close().await;
        stop.await.unwrap();
        sending.await.unwrap();
        let durable = all.last().map_or(0, |it| it.durable_through);
        match ended {
            Ok(()) => assert_eq!(durable, 12_000, "it ended well after {wait} ms"),
            Err(status) => assert_eq!(status.code(), Code::Unavailable, "{status:?}"),
        }
    }
}

#[tokio::test]
async fn so_many_loads_are_open_at_once_and_no_more() {
    let desk = Desk::start().await;
    let mut open = Vec::new();
    let refused = loop {
        match Sender::silent(&desk.source).await {
            Ok(sender) => open.push(sender),
            Err(status) => break status,
        }
        assert!(open.len() < 100);
    };
    let (code, reason, _) = refusal(Err::<(), _>(refused));
    assert_eq!((code, reason.as_str()), (Code::ResourceExhausted, "TOO_MANY_STREAMS"));
    assert_eq!(open.len(), desk.hub.hub.loads.taken());
    // Places come back, also of those who hang up.
    open.clear();
    let again = async {
        while Sender::silent(&desk.source).await.is_err() {
            time::sleep(Duration::from_millis(20)).await;
        }
    };
    time::timeout(Duration::from_secs(60), again).await.expect("places are given back");
}
