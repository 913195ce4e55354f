//! A store of release 0.1 opens with today's code, and answers as it did then.
//!
//! `tests/it/data/release-0.1` holds the store on each engine, and beside it what that release answered. Facts are
//! compared, not messages: the names of the contract have changed since.
mod facts;

use std::{fs, path::Path};

use sea_orm::{ConnectionTrait, Database, Statement};
use serde_json::{Map, Value};
use sharehub::{dossier::store::erase, pb};

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

/// That release kept names and codes of fees and documents in clear: they are read so, and sealed on demand.
#[tokio::test]
async fn names_of_documents_are_read_as_they_were_kept_and_can_be_sealed() {
    let hub = Hub::open_kept(Path::new(FOLDER)).await;
    let db = Database::connect(&hub.store.url).await.unwrap();
    let in_clear = async || {
        let sql = "SELECT COUNT(*) FROM dossier WHERE fees_json LIKE '%phí%' OR components_json LIKE '%khai%' \
                   OR results_json LIKE '%GXN%'";
        let row = Statement::from_string(db.get_database_backend(), sql);
        db.query_one_raw(row).await.unwrap().unwrap().try_get_by_index::<i64>(0).unwrap()
    };
    let told = async || {
        let trusted = hub.by_certificate("so-tu-phap").await;
        let list = pb::ListDossiersRequest::default();
        let listed = trusted.dossiers().list_dossiers(list).await.unwrap().into_inner().dossiers;
        let papers =
            listed.iter().map(|it| [&it.fees[0].name, &it.results[0].code].map(String::clone));
        papers.collect::<Vec<_>>()
    };
    let (before, rows) = (told().await, in_clear().await);
    assert!(rows >= 4 && before[0][1] == "GXN", "{rows} {before:?}");
    assert!(erase::reseal(&hub.hub).await.unwrap() >= rows.unsigned_abs());
    assert_eq!(in_clear().await, 0);
    assert_eq!(told().await, before);
    assert_eq!(erase::reseal(&hub.hub).await.unwrap(), 0);
    // The erased one shows none, sealed or not.
    assert_eq!(before[2], ["", ""]);
    db.close().await.unwrap();
    hub.stop().await;
}
