//! Loads through the wire: acknowledged as they become durable, gone on with after a cut, held back, ended for a reason.
use std::time::Duration;

use rand::{Rng, SeedableRng, rngs::StdRng};
use sea_orm::{ConnectionTrait, Database, Statement};
use sharehub::pb;
use tokio::{sync::mpsc, time};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Status, Streaming};

use crate::{
    hub::{Client, Grants, Key, all_indicators, id, refusal},
    indicator::{Desk, SOURCE, saw},
    program::Program,
};

type Told = pb::ingest_observations_response::Step;

/// One stream of a load of observations.
pub struct Sender {
    sends: Option<mpsc::Sender<pb::IngestObservationsRequest>>,
    told: Streaming<pb::IngestObservationsResponse>,
}

/// A message that opens a load.
pub fn open(load: &str) -> pb::IngestObservationsRequest {
    let open = pb::LoadOpen { load: load.to_owned() };
    let step = Some(pb::ingest_observations_request::Step::Open(open));
    pb::IngestObservationsRequest { step }
}

/// A message with items.
pub fn items(first: i64, observations: Vec<pb::ObservationEntry>) -> pb::IngestObservationsRequest {
    let batch = pb::ObservationBatch { first, observations };
    let step = Some(pb::ingest_observations_request::Step::Batch(batch));
    pb::IngestObservationsRequest { step }
}

impl Sender {
    /// A stream in which nothing was said yet.
    pub async fn silent(client: &Client) -> Result<Self, Status> {
        let (sends, messages) = mpsc::channel(1);
        let messages = ReceiverStream::new(messages);
        let told = client.indicators().ingest_observations(messages).await?.into_inner();
        Ok(Self { sends: Some(sends), told })
    }

    /// A stream of an open load, and the last item that is durable.
    pub async fn open(client: &Client, load: &str) -> (Self, i64) {
        let mut sender = Self::silent(client).await.unwrap();
        sender.say(open(load)).await;
        let through = match sender.next().await.unwrap() {
            Some(Told::Opened(it)) => it.durable_through,
            other => panic!("not opened: {other:?}"),
        };
        (sender, through)
    }

    /// Says something, if the stream has not ended.
    pub async fn say(&self, message: pb::IngestObservationsRequest) {
        drop(self.sends.as_ref().unwrap().send(message).await);
    }

    pub async fn send(&self, first: i64, observations: Vec<pb::ObservationEntry>) {
        self.say(items(first, observations)).await;
    }

    /// The next answer, or the end.
    pub async fn next(&mut self) -> Result<Option<Told>, Status> {
        let told = time::timeout(Duration::from_secs(100), self.told.message());
        Ok(told.await.expect("the hub answers")?.map(|it| it.step.unwrap()))
    }

    pub async fn acknowledged(&mut self) -> Result<pb::LoadAcknowledged, Status> {
        match self.next().await? {
            Some(Told::Acknowledged(it)) => Ok(it),
            other => panic!("not acknowledged: {other:?}"),
        }
    }

    /// Closes the sender's side: everything that is acknowledged from now on, and how the stream ends.
    pub async fn close(mut self) -> (Vec<pb::LoadAcknowledged>, Result<(), Status>) {
        self.sends = None;
        let mut all = Vec::new();
        loop {
            match self.next().await {
                Ok(Some(Told::Acknowledged(it))) => all.push(it),
                Ok(Some(Told::Opened(it))) => panic!("opened again: {it:?}"),
                Ok(None) => return (all, Ok(())),
                Err(status) => return (all, Err(status)),
            }
        }
    }

    /// How the stream ends: everything before is passed over.
    pub async fn refused(self) -> (Code, String, Vec<String>) {
        refusal(self.close().await.1)
    }
}

/// A sum of acknowledgements: created, corrected, unchanged, rejected.
pub fn counts(all: &[pb::LoadAcknowledged]) -> [i32; 4] {
    let mut sum = [0; 4];
    for it in all {
        let counts = [it.created, it.corrected, it.unchanged, it.rejected];
        for (sum, count) in sum.iter_mut().zip(counts) {
            *sum += count;
        }
    }
    sum
}

/// The observation with a number, one of its own.
fn entry(units: &[i64], number: i64) -> pb::ObservationEntry {
    let index = usize::try_from(number - 1).unwrap();
    let year = 2000 + index / units.len();
    pb::ObservationEntry {
        unit: id(units[index % units.len()]),
        ..saw("doc.count", "", &year.to_string(), &number.to_string())
    }
}

fn entries(units: &[i64], numbers: std::ops::RangeInclusive<i64>) -> Vec<pb::ObservationEntry> {
    numbers.map(|it| entry(units, it)).collect()
}

#[tokio::test]
async fn a_load_is_acknowledged_and_goes_on_from_there() {
    let desk = Desk::start().await;
    let units = &desk.communes().await[..500];
    let (sender, through) = Sender::open(&desk.source, "a").await;
    assert_eq!(through, 0);
    sender.send(1, entries(units, 1..=100)).await;
    sender.send(101, entries(units, 101..=250)).await;
    let (all, ended) = sender.close().await;
    ended.unwrap();
    assert_eq!(counts(&all), [250, 0, 0, 0]);
    assert_eq!(all.last().unwrap().durable_through, 250);
    assert_eq!(all.last().unwrap().revision.unwrap().number, desk.head().await);

    // Sent from the start again, it is skipped up to where it came; another load is another load.
    let (sender, through) = Sender::open(&desk.source, "a").await;
    assert_eq!(through, 250);
    let other =
        |number| pb::ObservationEntry { value: Some("7".to_owned()), ..entry(units, number) };
    sender.send(1, (1..=300).map(other).collect()).await;
    let (all, ended) = sender.close().await;
    ended.unwrap();
    assert_eq!(counts(&all), [50, 0, 0, 0], "250 were skipped");
    let (sender, through) = Sender::open(&desk.source, "b").await;
    assert_eq!(through, 0);
    sender.send(1, entries(units, 1..=10)).await;
    let (all, ended) = sender.close().await;
    ended.unwrap();
    assert_eq!(counts(&all), [0, 0, 10, 0]);
    let second = desk.hub.system("second", all_indicators()).await;
    assert_eq!(Sender::open(&second, "a").await.1, 0, "each system has loads of its own");
}

#[tokio::test]
async fn items_are_answered_as_a_publish_answers_them() {
    let desk = Desk::start().await;
    let (mut sender, _) = Sender::open(&desk.source, "a").await;
    let bad = pb::ObservationEntry {
        value: Some("1,5".to_owned()),
        ..saw("doc.count", "83", "2024", "")
    };
    let unknown = saw("doc.none", "83", "2024", "1");
    let good = saw("doc.count", "83", "2024", "1");
    sender.send(1, vec![good.clone(), bad, unknown, good]).await;
    let it = sender.acknowledged().await.unwrap();
    assert_eq!((it.durable_through, counts(std::slice::from_ref(&it))), (4, [1, 0, 1, 2]));
    let told: Vec<_> = it
        .rejected_items
        .iter()
        .map(|it| (it.number, it.reason().as_str_name(), it.violations[0].field.as_str()))
        .collect();
    let expected =
        [(2, "ERROR_REASON_FIELD_INVALID", "value"), (3, "ERROR_REASON_NOT_FOUND", "indicator")];
    assert_eq!(told, expected);
    // Nothing new is no revision, but it is acknowledged, and it is durable that it was.
    let before = desk.head().await;
    sender.send(5, vec![saw("doc.count", "83", "2024", "1")]).await;
    let it = sender.acknowledged().await.unwrap();
    assert_eq!((it.durable_through, it.unchanged), (5, 1));
    assert_eq!((it.revision.unwrap().number, desk.head().await), (before, before));
    drop(sender);
    assert_eq!(Sender::open(&desk.source, "a").await.1, 5);
}

#[tokio::test]
async fn a_batch_out_of_order_ends_the_load_after_what_came_before_it() {
    let desk = Desk::start().await;
    let units = &desk.communes().await[..100];
    for (load, first, field) in [
        ("gap", 12, "batch.first"),
        ("back", 10, "batch.first"),
        ("start", 1, "batch.first"),
        ("zero", 0, "batch.first"),
        ("least", i64::MIN, "batch.first"),
        ("most", i64::MAX, "batch.first"),
    ] {
        let (sender, _) = Sender::open(&desk.source, load).await;
        sender.send(1, entries(units, 1..=10)).await;
        sender.send(first, entries(units, 1..=5)).await;
        let (all, ended) = sender.close().await;
        assert_eq!(all.last().unwrap().durable_through, 10, "{load}");
        let refused = refusal(ended);
        let expected = (Code::InvalidArgument, "FIELD_INVALID".to_owned(), vec![field.to_owned()]);
        assert_eq!(refused, expected, "{load}");
        let (sender, through) = Sender::open(&desk.source, load).await;
        assert_eq!(through, 10);
        // The first batch may begin too early, but not too late.
        sender.send(12, entries(units, 12..=12)).await;
        assert_eq!(sender.refused().await, expected, "{load}");
    }
}

#[tokio::test]
async fn messages_that_a_load_does_not_take_are_refused() {
    let desk = Desk::start().await;
    let entry = || saw("doc.count", "83", "2024", "1");
    let nothing = pb::IngestObservationsRequest { step: None };
    let many = vec![entry(); 10_001];
    let rows: Vec<(&str, Vec<pb::IngestObservationsRequest>, &str)> = vec![
        ("items first", vec![items(1, vec![entry()])], "open"),
        ("opened twice", vec![open("a"), open("a")], "open"),
        ("no name", vec![open("")], "open.load"),
        ("a blank name", vec![open(" ")], "open.load"),
        ("a long name", vec![open(&"x".repeat(129))], "open.load"),
        ("a control character", vec![open("a\0")], "open.load"),
        ("an empty batch", vec![open("a"), items(1, vec![])], "batch.observations"),
        ("too many", vec![open("a"), items(1, many)], "batch.observations"),
        ("nothing", vec![nothing], "step"),
    ];
    for (what, messages, field) in rows {
        let sender = Sender::silent(&desk.source).await.unwrap();
        for message in messages {
            sender.say(message).await;
        }
        let mut sender = sender;
        sender.sends = None;
        let ended = loop {
            match sender.next().await {
                Ok(Some(_)) => {}
                Ok(None) => break Ok(()),
                Err(status) => break Err(status),
            }
        };
        let expected = (Code::InvalidArgument, "FIELD_INVALID".to_owned(), vec![field.to_owned()]);
        assert_eq!(refusal(ended), expected, "{what}");
    }
    // Nothing said at all is nothing done.
    let mut sender = Sender::silent(&desk.source).await.unwrap();
    sender.sends = None;
    assert_eq!(sender.next().await.unwrap(), None);
    // A name of 128 characters, in Vietnamese, is a name.
    assert_eq!(Sender::open(&desk.source, &"ầ".repeat(128)).await.1, 0);
}

#[tokio::test]
async fn who_may_publish_nothing_may_load_nothing() {
    let desk = Desk::start().await;
    let reader = Grants { read_indicators: vec!["*".to_owned()], ..Default::default() };
    let reader = desk.hub.system("reader", reader).await;
    let refused = Sender::silent(&reader).await.map(|_| ());
    assert_eq!(refusal(refused).0, Code::PermissionDenied);
    // What is another's is refused item by item.
    let other = desk.hub.system("other", all_indicators()).await;
    let (mut sender, _) = Sender::open(&other, "a").await;
    sender.send(1, vec![saw("doc.count", "83", "2024", "1")]).await;
    let it = sender.acknowledged().await.unwrap();
    assert_eq!(it.rejected_items[0].reason(), pb::ErrorReason::NotAuthoritative);
}

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

/// Cuts a load at random points, by dropping the client and by killing the hub, and goes on. Whatever is done again would
/// be seen: an item says another value each time it is sent.
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
