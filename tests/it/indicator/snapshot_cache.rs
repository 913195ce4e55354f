//! Snapshots of the newest revision are answered from memory: they must be what the store says at that revision.
//!
//! `SHAREHUB_SNAPSHOTS` is how many are read and compared, for each reader; `SHAREHUB_SEED` makes other histories.
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use prost::Message;
use rand::{Rng, SeedableRng, rngs::StdRng};
use sharehub::{
    db::Db,
    pb,
    server::{self, Slices},
    stack::measure::Meter,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::transport::Endpoint;

use crate::support::{
    client::{Client, at_least, exactly, gso, id},
    desk::{BEN_TRE, Desk, batch, count, saw},
    hub::{audit_key, slow},
};

/// Indicators beside those of the desk.
const CODES: [&str; 4] = ["cell.a", "cell.b", "cell.c", "cell.d"];

/// Months of the year in which this plays.
const MONTHS: [&str; 4] = ["2025-01", "2025-02", "2025-03", "2025-YTD-03"];

/// The day on which the dashboard stands.
const DATE: &str = "2025-04-10";

fn number(name: &str, usual: u64) -> u64 {
    let set = std::env::vars().find(|(key, _)| key == name);
    set.map_or(usual, |(_, it)| it.parse().unwrap())
}

/// Another hub on the same store, and somebody who calls it with the same key.
async fn beside(desk: &Desk) -> (Slices, Client) {
    let db = Db::open(&desk.hub.store.url).await.unwrap();
    let (slices, _committer) = server::start(db, slow(), audit_key()).await.unwrap();
    let (services, health) = server::services(&slices, &Arc::<Meter>::default()).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let door = server::Endpoint::new(listener, &slices.hub.limits, Arc::default());
    tokio::spawn(server::serve(door, services, health, CancellationToken::new()));
    let channel = Endpoint::from_shared(address).unwrap().connect_lazy();
    (slices, Client { channel, key: desk.source.key.clone() })
}

/// One change, of which the hub may say that it comes at a bad time.
async fn change(by: &Client, units: &[i64], rng: &mut StdRng) -> Option<i64> {
    let unit = id(units[rng.random_range(0..units.len())]);
    let code = CODES[rng.random_range(0..CODES.len())];
    let value = rng.random_range(0..50).to_string();
    let mut indicators = by.indicators();
    let receipt = match rng.random_range(0..20) {
        0 => {
            let name_vi = format!("Số {value}");
            let frequency = pb::ReportFrequency::Month.into();
            let indicators_ = vec![pb::Indicator { name_vi, frequency, ..count(code) }];
            let define =
                pb::DefineIndicatorsRequest { indicators: indicators_, ..Default::default() };
            indicators.define_indicators(define).await.ok()?.into_inner().receipt
        }
        1..5 => {
            let target = pb::TargetEntry {
                indicator: code.to_owned(),
                unit,
                period: "2025".to_owned(),
                comparison: pb::TargetComparison::AtLeast.into(),
                value: Some(value),
                ..Default::default()
            };
            let publish = pb::PublishTargetsRequest { targets: vec![target], ..Default::default() };
            indicators.publish_targets(publish).await.ok()?.into_inner().receipt
        }
        _ => {
            let month = MONTHS[rng.random_range(0..MONTHS.len())];
            let entry = pb::ObservationEntry { unit, ..saw(code, "", month, &value) };
            let publish = indicators.publish_observations(batch(vec![entry])).await;
            publish.ok()?.into_inner().receipt
        }
    };
    Some(receipt.unwrap().revision.unwrap().number)
}

/// A question about some of it.
fn question(units: &[i64], rng: &mut StdRng) -> pb::GetSnapshotRequest {
    let some = rng.random_range(1..=units.len());
    let period = if rng.random_bool(0.2) { MONTHS[1] } else { "" };
    pb::GetSnapshotRequest {
        units: units.iter().take(some).filter_map(|it| id(*it)).collect(),
        indicators: CODES[rng.random_range(0..3)..].iter().map(|it| (*it).to_owned()).collect(),
        period: period.to_owned(),
        date: DATE.to_owned(),
        ..Default::default()
    }
}

/// Reads at the newest, and asks the store the same at the revision of the answer. The revision.
async fn compare(by: &Client, ask: pb::GetSnapshotRequest) -> i64 {
    let newest = by.indicators().get_snapshot(ask.clone()).await.unwrap().into_inner();
    let read_at = newest.read_at.unwrap().number;
    let again = pb::GetSnapshotRequest { consistency: exactly(read_at), ..ask };
    let stored = by.indicators().get_snapshot(again).await.unwrap().into_inner();
    assert_eq!(newest.encode_to_vec(), stored.encode_to_vec(), "{newest:#?}\n{stored:#?}");
    read_at
}

async fn history(desk: &Desk, hubs: &[(Slices, Client)]) {
    let monthly = |code: &&str| {
        let frequency = pb::ReportFrequency::Month.into();
        pb::Indicator { frequency, ..count(code) }
    };
    desk.define(CODES.iter().map(monthly).collect()).await;
    let units: Vec<_> = desk.communes().await.into_iter().take(6).collect();
    let (reads, seed) = (number("SHAREHUB_SNAPSHOTS", 60), number("SHAREHUB_SEED", 1));
    let done = Arc::new(AtomicBool::new(false));
    let mut writers = Vec::new();
    for (place, (_, by)) in (0..).zip(hubs) {
        let (by, units, done) = (by.clone(), units.clone(), Arc::clone(&done));
        writers.push(tokio::spawn(async move {
            let mut rng = StdRng::seed_from_u64(seed + place);
            let mut changes = 0;
            while !done.load(Ordering::Relaxed) {
                if let Some(made) = change(&by, &units, &mut rng).await {
                    changes += 1;
                    // Who wrote sees it in what it reads next.
                    assert!(compare(&by, question(&units, &mut rng)).await >= made);
                }
            }
            changes
        }));
    }
    let mut readers = Vec::new();
    for place in 0..4 {
        let (_, by) = &hubs[place % hubs.len()];
        let (by, units) = (by.clone(), units.clone());
        readers.push(tokio::spawn(async move {
            let mut rng = StdRng::seed_from_u64(seed * 1_000 + place as u64);
            let mut last = 0;
            for _ in 0..reads {
                let read_at = compare(&by, question(&units, &mut rng)).await;
                assert!(read_at >= last, "it went back from {last} to {read_at}");
                last = read_at;
            }
        }));
    }
    for reader in readers {
        reader.await.unwrap();
    }
    done.store(true, Ordering::Relaxed);
    for writer in writers {
        assert!(writer.await.unwrap() > 0, "nothing was written");
    }
    let last = hubs.iter().map(|(hub, _)| hub.hub.revisions.head().newest.number).max().unwrap();
    for (hub, by) in hubs {
        // With nobody writing, what was answered once is answered from memory.
        let everything = pb::GetSnapshotRequest {
            units: units.iter().filter_map(|it| id(*it)).collect(),
            indicators: CODES.map(str::to_owned).to_vec(),
            date: DATE.to_owned(),
            consistency: at_least(last),
            ..Default::default()
        };
        compare(by, everything.clone()).await;
        let before = hub.indicator.snapshots.read();
        compare(by, everything).await;
        assert_eq!(hub.indicator.snapshots.read(), before, "cells were read from the store again");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_snapshot_from_memory_is_what_the_store_says_at_its_revision() {
    let desk = Desk::start().await;
    let hubs = [(desk.hub.slices.clone(), desk.source.clone())];
    history(&desk, &hubs).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_snapshot_from_memory_is_right_too_when_another_hub_writes() {
    let desk = Desk::start().await;
    let here = (desk.hub.slices.clone(), desk.source.clone());
    let hubs = [here, beside(&desk).await];
    history(&desk, &hubs).await;
}

#[tokio::test]
async fn the_period_before_is_found_however_many_of_another_kind_lie_between() {
    let desk = Desk::start().await;
    let frequency = pb::ReportFrequency::Month.into();
    desk.define(vec![pb::Indicator { frequency, ..count("cell.a") }]).await;
    let mut periods: Vec<_> = (7..=12).map(|it| format!("2024-{it:02}")).collect();
    periods.extend(["2025-01", "2025-02", "2025-03"].map(str::to_owned));
    periods.extend(["2024-YTD-05", "2025-YTD-02"].map(str::to_owned));
    let said = periods.iter().map(|period| saw("cell.a", BEN_TRE, period, "7"));
    let receipt = desk.publish(said.collect()).await;
    let number = receipt.revision.unwrap().number;
    for (period, latest, previous) in [
        // Nine months lie between the two periods to date.
        ("", "2025-03", "2025-02"),
        ("2025-YTD-02", "2025-YTD-02", "2024-YTD-05"),
        ("2025-03", "2025-03", "2025-02"),
        ("2024-07", "2024-07", ""),
        ("2024-YTD-05", "2024-YTD-05", ""),
        ("2025-04", "", ""),
    ] {
        for consistency in [None, exactly(number)] {
            let ask = pb::GetSnapshotRequest {
                units: vec![gso(BEN_TRE, "").unwrap()],
                indicators: vec!["cell.a".to_owned()],
                period: period.to_owned(),
                date: DATE.to_owned(),
                consistency,
                ..Default::default()
            };
            let told = desk.source.indicators().get_snapshot(ask).await.unwrap().into_inner();
            let cell = &told.cells[0];
            let of = |it: &Option<pb::Observation>| {
                it.as_ref().map_or_else(String::new, |it| it.period.clone())
            };
            assert_eq!(
                (of(&cell.latest).as_str(), of(&cell.previous).as_str()),
                (latest, previous)
            );
        }
    }
}
