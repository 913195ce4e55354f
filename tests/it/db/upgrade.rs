//! A store of release 0.1 opens with today's code, and answers as it did then.
//!
//! `tests/it/data/release-0.1` holds the store on each engine, and beside it what that release answered. Facts are
//! compared, not messages: the names of the contract have changed since.
mod facts;

use std::{fs, path::Path};

use serde_json::{Map, Value};

use crate::{
    support::{engine, hub::Hub},
    unit::administration::localities,
};
use facts::Facts;

/// Where the store is kept.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/data/release-0.1");

/// Opens a copy of the store, and compares the answers about one part of it with those of its release. One of them was
/// recorded anew: a value and a target of different versions of a definition have no gap by now.
async fn compare(part: &str, ask: impl AsyncFnOnce(&Facts<'_>) -> Vec<String>) {
    let engine = if engine::is_postgres() { "postgres" } else { "sqlite" };
    let path = Path::new(FOLDER).join(format!("{engine}.json"));
    let recorded: Map<String, Value> =
        serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let hub = Hub::open_kept(Path::new(FOLDER)).await;
    let facts = Facts::of(&hub, recorded["notes"].as_object().unwrap());
    let told = ask(&facts).await;
    let expected: Vec<_> = recorded["answers"][part].as_array().unwrap().iter().collect();
    assert!(expected.len() > 3, "what was recorded of {part} is not there");
    for (told, expected) in told.iter().zip(&expected) {
        assert_eq!(told, expected.as_str().unwrap());
    }
    assert_eq!(told.len(), expected.len(), "{part}");
    hub.stop().await;
}

#[tokio::test]
async fn units_are_answered_as_before() {
    compare("unit", async |it| it.units().await).await;
}

#[tokio::test]
async fn its_administration_tree_holds_the_localities_without_a_write() {
    let hub = Hub::open_kept(Path::new(FOLDER)).await;
    let before = hub.hub.revisions.head();
    for (code, date) in [("86", "2026-01-01"), ("83", "2024-12-31")] {
        assert!(!localities(&hub.admin(), code, date).await.is_empty(), "{code}");
    }
    assert_eq!(hub.hub.revisions.head(), before);
    hub.stop().await;
}

#[tokio::test]
async fn indicators_are_answered_as_before() {
    let ask = async |it: &Facts<'_>| {
        [it.definitions().await, it.observations().await, it.judged().await].concat()
    };
    compare("indicator", ask).await;
}

#[tokio::test]
async fn dossiers_are_answered_as_before() {
    let ask = async |it: &Facts<'_>| {
        [it.dossiers().await, it.one_dossier().await, it.counts().await].concat()
    };
    compare("dossier", ask).await;
}

#[tokio::test]
async fn systems_keys_and_agreements_are_as_before() {
    let ask = async |it: &Facts<'_>| {
        [it.systems().await, it.keys().await, it.agreements().await].concat()
    };
    compare("access", ask).await;
}

#[tokio::test]
async fn watches_and_loads_go_on_from_where_they_were() {
    let ask = async |it: &Facts<'_>| {
        [it.state().await, it.resumed().await, it.positions().await].concat()
    };
    compare("feed", ask).await;
}

#[tokio::test]
async fn the_audit_log_goes_on_from_where_it_was() {
    let ask = async |it: &Facts<'_>| [it.records().await, it.proofs().await].concat();
    compare("audit", ask).await;
}
