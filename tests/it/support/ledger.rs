//! A ledger of what was asked and what was acknowledged, held against what the store has.
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use rand::{Rng, rngs::StdRng};
use sea_orm::{ConnectionTrait, Database, Statement};
use sharehub::pb;
use tokio::time;
use tonic::{Code, transport::Channel};

use crate::support::client::{Client, Key, all_indicators, gso, id};

/// Observations in a batch.
const BATCH: u32 = 5;
const INDICATOR: &str = "crash.count";

/// A publishing request: it is the only one that ever speaks of its observations.
#[derive(Clone, Debug)]
pub struct Asked {
    pub request_id: String,
    pub first: u32,
    pub count: u32,
}

/// What the publishers asked for, and what they were answered: the revision, by request id.
#[derive(Default)]
pub struct Book {
    pub next: u32,
    pub asked: BTreeMap<String, Asked>,
    pub acknowledged: BTreeMap<String, i64>,
}

impl Book {
    /// A new request for one observation, or for a batch of them.
    pub fn ask(&mut self, name: String, count: u32) -> Asked {
        let asked = Asked { request_id: name, first: self.next, count };
        self.next += count;
        let before = self.asked.insert(asked.request_id.clone(), asked.clone());
        assert!(before.is_none());
        asked
    }

    pub fn unacknowledged(&self) -> Vec<Asked> {
        let open = self.asked.values().filter(|it| !self.acknowledged.contains_key(&it.request_id));
        open.cloned().collect()
    }
}

/// The observation with a number: each has a unit and a day of its own, and a value of its own.
pub fn entry(units: &[i64], number: u32) -> pb::ObservationEntry {
    let index = usize::try_from(number).unwrap();
    let (unit, day) = (units[index % units.len()], index / units.len());
    let month = 7 + day / 28;
    let period = format!("{}-{:02}-{:02}", 2025 + month / 12, 1 + month % 12, 1 + day % 28);
    pb::ObservationEntry {
        indicator: INDICATOR.to_owned(),
        unit: id(unit),
        period,
        value: Some((number + 1).to_string()),
        status: pb::ObservationStatus::Final.into(),
        ..Default::default()
    }
}

pub async fn publish(
    client: &Client,
    units: &[i64],
    asked: &Asked,
) -> Result<pb::Receipt, tonic::Status> {
    let numbers = asked.first..asked.first + asked.count;
    let request = pb::PublishObservationsRequest {
        request_id: asked.request_id.clone(),
        observations: numbers.map(|it| entry(units, it)).collect(),
        allow_partial: false,
        validate_only: false,
    };
    let answer = client.indicators().publish_observations(request).await?.into_inner();
    Ok(answer.receipt.unwrap())
}

pub fn check_receipt(asked: &Asked, receipt: &pb::Receipt) -> i64 {
    assert_eq!(receipt.created, i32::try_from(asked.count).unwrap(), "{asked:?}: {receipt:?}");
    receipt.revision.as_ref().unwrap().number
}

/// Publishes until it is acknowledged, however often it is refused for now. The receipt, and how often it was refused.
pub async fn insist(client: &Client, units: &[i64], asked: &Asked) -> (pb::Receipt, u64) {
    for refused in 0.. {
        let call = publish(client, units, asked);
        match time::timeout(Duration::from_secs(30), call).await.expect("a hang") {
            Ok(receipt) => {
                check_receipt(asked, &receipt);
                return (receipt, refused);
            }
            Err(status) => {
                assert_eq!(status.code(), Code::Unavailable, "{status:?}");
                time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
    unreachable!()
}

/// Publishes until it is told to stop, and leaves nothing unacknowledged.
pub async fn persistent(
    client: Client,
    units: Arc<Vec<i64>>,
    book: Arc<Mutex<Book>>,
    name: String,
    stop: Arc<AtomicBool>,
    refused: Arc<AtomicU64>,
) {
    for turn in 0_u32.. {
        if stop.load(Ordering::SeqCst) {
            return;
        }
        let asked = book.lock().unwrap().ask(format!("{name}-{turn}"), 1 + turn % 3);
        let (receipt, times) = insist(&client, &units, &asked).await;
        refused.fetch_add(times, Ordering::SeqCst);
        let revision = receipt.revision.unwrap().number;
        book.lock().unwrap().acknowledged.insert(asked.request_id, revision);
    }
}

/// What must hold when everything was acknowledged. The last revision.
pub async fn check_all(url: &str, client: &Client, book: &Mutex<Book>) -> i64 {
    let there = standing(client).await;
    let done = check_standing(&book.lock().unwrap(), &there);
    let last = check_log(url).await;
    let versions = numbers(url, "SELECT COUNT(*) FROM observation").await;
    let book = book.lock().unwrap();
    assert_eq!(done.len(), book.asked.len(), "a request has no effect");
    assert_eq!(versions, [i64::from(book.next)], "a request had its effect twice");
    last
}

/// Publishes until the hub is gone.
pub async fn publisher(
    client: Client,
    units: Arc<Vec<i64>>,
    book: Arc<Mutex<Book>>,
    name: String,
    mut rng: StdRng,
) {
    for turn in 0_u32.. {
        let count = if rng.random_bool(0.5) { BATCH } else { 1 };
        let asked = book.lock().unwrap().ask(format!("{name}-{turn}"), count);
        let call = publish(&client, &units, &asked);
        match time::timeout(Duration::from_secs(20), call).await.expect("a hang") {
            Ok(receipt) => {
                let revision = check_receipt(&asked, &receipt);
                assert!(!receipt.replayed, "{asked:?}");
                book.lock().unwrap().acknowledged.insert(asked.request_id, revision);
            }
            // The hub was killed: nobody knows what became of it.
            Err(status) => {
                let gone = [Code::Unavailable, Code::Unknown, Code::Cancelled, Code::Internal];
                assert!(gone.contains(&status.code()), "{status:?}");
                return;
            }
        }
    }
}

/// What stands: for each value, its revision.
pub async fn standing(client: &Client) -> BTreeMap<u32, i64> {
    let mut standing = BTreeMap::new();
    let mut token = String::new();
    loop {
        let request = pb::QueryObservationsRequest {
            indicators: vec![INDICATOR.to_owned()],
            page: Some(pb::PageRequest { size: 1_000, token }),
            ..Default::default()
        };
        let answer = client.indicators().query_observations(request).await.unwrap().into_inner();
        for it in answer.observations {
            let value: u32 = it.figure.unwrap().value.unwrap().parse().unwrap();
            let before = standing.insert(value - 1, it.revision.unwrap().number);
            assert_eq!(before, None, "value {value} is there twice");
        }
        token = answer.next_page_token;
        if token.is_empty() {
            return standing;
        }
    }
}

/// What must hold after every restart, before anything is sent again. The requests whose effect is there.
pub fn check_standing(book: &Book, standing: &BTreeMap<u32, i64>) -> BTreeSet<String> {
    let mut done = BTreeSet::new();
    for asked in book.asked.values() {
        let numbers = asked.first..asked.first + asked.count;
        let there: Vec<_> = numbers.filter_map(|it| standing.get(&it).copied()).collect();
        if let Some(revision) = book.acknowledged.get(&asked.request_id) {
            let all = vec![*revision; usize::try_from(asked.count).unwrap()];
            assert_eq!(there, all, "acknowledged: {asked:?}");
        }
        if !there.is_empty() {
            assert_eq!(there.len(), usize::try_from(asked.count).unwrap(), "half: {asked:?}");
            assert!(there.iter().all(|it| *it == there[0]), "torn: {asked:?} {there:?}");
            done.insert(asked.request_id.clone());
        }
    }
    let asked: u32 = book.asked.values().map(|it| it.count).sum();
    assert_eq!(asked, book.next);
    assert!(standing.keys().all(|it| *it < book.next), "something that nobody asked for");
    done
}

/// Reads one column of numbers straight from the store.
pub async fn numbers(url: &str, sql: &str) -> Vec<i64> {
    let db = Database::connect(url).await.unwrap();
    let ask = Statement::from_string(db.get_database_backend(), sql);
    let rows = db.query_all_raw(ask).await.unwrap();
    let numbers = rows.iter().map(|it| it.try_get_by_index(0).unwrap()).collect();
    db.close().await.unwrap();
    numbers
}

/// The log has every revision up to the head's, and the log's times never go back.
pub async fn check_log(url: &str) -> i64 {
    let logged = numbers(url, "SELECT revision FROM revision_log ORDER BY revision").await;
    let last = i64::try_from(logged.len()).unwrap();
    assert_eq!(logged, (1..=last).collect::<Vec<_>>(), "revisions have a gap");
    let times = numbers(url, "SELECT committed_at FROM revision_log ORDER BY revision").await;
    assert!(times.is_sorted(), "commit times go back");
    last
}

/// Registers the publisher, and defines what it publishes. Its key, and the units that it publishes for.
pub async fn prepare(admin: &Client) -> (String, Vec<i64>) {
    prepare_by(admin, admin.channel.clone()).await
}

/// The same, with a channel for the publisher, for an administrator who shows a certificate on its own.
pub async fn prepare_by(admin: &Client, channel: Channel) -> (String, Vec<i64>) {
    let mut access = admin.access();
    let register = pb::RegisterSystemRequest {
        code: "publisher".to_owned(),
        name: "publisher".to_owned(),
        grants: Some(all_indicators().grants()),
        ..Default::default()
    };
    access.register_system(register).await.unwrap();
    for agreement in all_indicators().agreements("publisher") {
        let agreement = Some(agreement);
        let grant = pb::GrantAgreementRequest { agreement, ..Default::default() };
        access.grant_agreement(grant).await.unwrap();
    }
    let issue = pb::IssueKeyRequest {
        system: "publisher".to_owned(),
        expires_at: None,
        ..Default::default()
    };
    let key = access.issue_key(issue).await.unwrap().into_inner().key;
    let publisher = Client { channel, key: Key(Some(key.clone())) };
    let indicator = pb::Indicator {
        code: INDICATOR.to_owned(),
        name_vi: "Đếm".to_owned(),
        kind: pb::IndicatorKind::Count.into(),
        unit_of_measure: "lần".to_owned(),
        direction: pb::IndicatorDirection::MoreIsBetter.into(),
        frequency: pb::ReportFrequency::Day.into(),
        time_rule: pb::TimeRule::Sum.into(),
        unit_rule: pb::UnitRule::Sum.into(),
        authoritative_source: "publisher".to_owned(),
        collection_level: pb::UnitLevel::Commune.into(),
        calendar: pb::ReportCalendar::Calendar.into(),
        tree: pb::UnitTree::Territory.into(),
        ..Default::default()
    };
    let define = pb::DefineIndicatorsRequest { indicators: vec![indicator], ..Default::default() };
    publisher.indicators().define_indicators(define).await.unwrap();
    let list = pb::ListUnitsRequest {
        date: "2025-08-01".to_owned(),
        level: pb::UnitLevel::Commune.into(),
        below: gso("86", ""),
        page: Some(pb::PageRequest { size: 1_000, token: String::new() }),
        ..Default::default()
    };
    let units = publisher.units().list_units(list).await.unwrap().into_inner().units;
    (key, units.into_iter().map(|it| it.id).collect())
}
