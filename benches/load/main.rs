//! Loads by the ingest streams beside `COPY` (PostgreSQL) or a bare transaction (SQLite) of the same rows into the same
//! tables, in one run, and an export of them while publishing goes on: `cargo bench --bench load`.
//!
//! `SHAREHUB_BENCH_PROGRAM` is a program to measure in place of this one's. `SHAREHUB_BENCH_OBSERVATIONS` (50000) and
//! `SHAREHUB_BENCH_DOSSIERS` (10000) say how many; `SHAREHUB_BENCH_ENGINES` (`sqlite,postgres`) on what. The hub is a
//! process of its own, so that its memory is its own. Compare the ratios, not the rates: they hold on a noisy
//! machine. Everything is as durable as in use.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "a bench may fail loudly, reads its own environment, and prints its report"
)]
mod bare;
mod data;
#[path = "../calls/engine.rs"]
mod engine;
mod program;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use data::{Key, Made};
use engine::Engine;
use program::{Program, Secrets};
use sharehub::pb;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

/// Items in one message of a load, and in one publish.
const BATCH: usize = 1_000;

#[tokio::main]
async fn main() {
    let number = |name: &str, usual: i64| {
        std::env::var(name).ok().and_then(|it| it.parse().ok()).unwrap_or(usual)
    };
    let observations = number("SHAREHUB_BENCH_OBSERVATIONS", 50_000);
    let dossiers = number("SHAREHUB_BENCH_DOSSIERS", 10_000);
    let engines = std::env::var("SHAREHUB_BENCH_ENGINES").unwrap_or("sqlite,postgres".to_owned());
    println!(
        "| engine | what | rows | seconds | rows /s | bare rows /s | ratio | hub memory, MiB |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    if engines.contains("sqlite") {
        run(&Engine::sqlite(), observations, dossiers).await;
    }
    if engines.contains("postgres") {
        match Engine::postgres().await {
            Some(engine) => run(&engine, observations, dossiers).await,
            None => println!("| PostgreSQL | SKIPPED: it is not on this machine | | | | | | |"),
        }
    }
}

async fn run(engine: &Engine, observations: i64, dossiers: i64) {
    let url = engine.store("load").await;
    let secrets = Secrets::new();
    let admin = data::fill(&url, &secrets).await;
    let hub = Program::serve(&url, &secrets).await;
    let made = Made::prepare(&hub, &admin).await;
    let idle = hub.memory("VmRSS");
    let row = |what: &str, rows: i64, seconds: f64, bare: Option<f64>, memory: f64| {
        let rate = rows as f64 / seconds;
        let beside = bare.map_or("| |".to_owned(), |it| {
            let bare = rows as f64 / it;
            format!("{bare:.0} | {:.2} |", rate / bare)
        });
        let name = engine.name();
        println!("| {name} | {what} | {rows} | {seconds:.1} | {rate:.0} | {beside} {memory:.0} |");
    };
    println!("| {} | (idle) | | | | | | {idle:.0} |", engine.name());

    hub.forget_peak();
    let began = Instant::now();
    load_observations(&hub, &made, observations).await;
    let loaded = began.elapsed().as_secs_f64();
    let peak = hub.memory("VmHWM");
    let bare = bare::seconds(&url, &[("observation", "TRUE")], None).await;
    row("IngestObservations", observations, loaded, Some(bare), peak);

    hub.forget_peak();
    let began = Instant::now();
    load_dossiers(&hub, &made, dossiers).await;
    let loaded = began.elapsed().as_secs_f64();
    let peak = hub.memory("VmHWM");
    let bare = bare::seconds(&url, &[("dossier", "TRUE"), ("dossier_event", "TRUE")], None).await;
    row("IngestDossiers (3 events each)", dossiers, loaded, Some(bare), peak);

    // Publishes of batches, one at a time, each its own commit; beside the same rows bare, committed as often.
    let some = observations.min(100_000);
    let began = Instant::now();
    made.publish(&hub, some).await;
    let published = began.elapsed().as_secs_f64();
    let again = "indicator_id IN (SELECT id FROM indicator WHERE code LIKE 'again.%')";
    let bare = bare::seconds(&url, &[("observation", again)], Some(BATCH)).await;
    row("PublishObservations, 1,000 each", some, published, Some(bare), hub.memory("VmHWM"));

    hub.forget_peak();
    let at = hub.head(&made.indicators).await;
    let stop = Arc::new(AtomicBool::new(false));
    let publishing = tokio::spawn(correct(hub.clone(), made.clone(), observations, stop.clone()));
    let began = Instant::now();
    export(&hub, &made, observations, at).await;
    let exported = began.elapsed().as_secs_f64();
    let peak = hub.memory("VmHWM");
    stop.store(true, Ordering::Relaxed);
    let corrected = publishing.await.unwrap();
    row("ExportObservations, while publishing", observations, exported, None, peak);
    println!(
        "| {} | (corrections beside it) | {corrected} | | {:.0} | | | |",
        engine.name(),
        corrected as f64 / exported
    );
    hub.end();
}

/// Loads all, as fast as the hub takes them.
async fn load_observations(hub: &Program, made: &Made, count: i64) {
    use pb::ingest_observations_request::Step;
    let (sends, messages) = mpsc::channel(2);
    let made = made.clone();
    let key = made.indicators.clone();
    tokio::spawn(async move {
        let send = async |step| {
            let message = pb::IngestObservationsRequest { step: Some(step) };
            sends.send(message).await.unwrap();
        };
        send(Step::Open(pb::LoadOpen { load: "bench".to_owned() })).await;
        let mut first = 1;
        while first <= count {
            let last = count.min(first + i64::try_from(BATCH).unwrap() - 1);
            let observations = (first..=last).map(|it| made.observation(it)).collect();
            send(Step::Batch(pb::ObservationBatch { first, observations })).await;
            first = last + 1;
        }
    });
    let request = with(&key, ReceiverStream::new(messages));
    let mut told = hub.indicators().ingest_observations(request).await.unwrap().into_inner();
    let mut through = 0;
    while let Some(it) = told.message().await.unwrap() {
        match it.step.unwrap() {
            pb::ingest_observations_response::Step::Opened(_) => {}
            pb::ingest_observations_response::Step::Acknowledged(it) => {
                assert_eq!(it.rejected, 0, "{it:?}");
                through = it.durable_through;
            }
        }
    }
    assert_eq!(through, count);
}

async fn load_dossiers(hub: &Program, made: &Made, count: i64) {
    use pb::ingest_dossiers_request::Step;
    let (sends, messages) = mpsc::channel(2);
    let made = made.clone();
    let key = made.dossiers.clone();
    tokio::spawn(async move {
        let send = async |step| {
            let message = pb::IngestDossiersRequest { step: Some(step) };
            sends.send(message).await.unwrap();
        };
        send(Step::Open(pb::LoadOpen { load: "bench".to_owned() })).await;
        let mut first = 1;
        while first <= count {
            let last = count.min(first + i64::try_from(BATCH / 2).unwrap() - 1);
            let dossiers = (first..=last).map(|it| made.dossier(it)).collect();
            send(Step::Batch(pb::DossierBatch { first, dossiers })).await;
            first = last + 1;
        }
    });
    let request = with(&key, ReceiverStream::new(messages));
    let mut told = hub.dossiers().ingest_dossiers(request).await.unwrap().into_inner();
    let mut through = 0;
    while let Some(it) = told.message().await.unwrap() {
        match it.step.unwrap() {
            pb::ingest_dossiers_response::Step::Opened(_) => {}
            pb::ingest_dossiers_response::Step::Acknowledged(it) => {
                assert_eq!(it.rejected, 0, "{it:?}");
                through = it.durable_through;
            }
        }
    }
    assert_eq!(through, count);
}

/// Corrects what was loaded, batch after batch, until told to stop: how many.
async fn correct(hub: Program, made: Made, count: i64, stop: Arc<AtomicBool>) -> i64 {
    let mut corrected = 0;
    while !stop.load(Ordering::Relaxed) {
        let numbers = (0..100).map(|it| (corrected * 7 + it * 13) % count + 1);
        let numbers: std::collections::BTreeSet<_> = numbers.collect();
        let seen = |number: &i64| pb::ObservationEntry {
            value: Some((corrected + 1_000_000_000).to_string()),
            numerator: None,
            denominator: None,
            ..made.observation(*number)
        };
        let observations: Vec<_> = numbers.iter().map(seen).collect();
        let message = pb::PublishObservationsRequest { observations, ..Default::default() };
        let request = with(&made.indicators, message);
        let answer = hub.indicators().publish_observations(request).await.unwrap().into_inner();
        let receipt = answer.receipt.unwrap();
        assert_eq!(receipt.rejected, 0, "{receipt:?}");
        corrected += i64::from(receipt.corrected);
    }
    corrected
}

/// Exports all that was loaded, at a revision, and checks every row: each is there once, and as it was then.
async fn export(hub: &Program, made: &Made, count: i64, at: i64) {
    let requirement = Some(pb::consistency::Requirement::Exactly(at));
    let message = pb::ExportObservationsRequest {
        indicators: made.codes("bench"),
        consistency: Some(pb::Consistency { requirement }),
        ..Default::default()
    };
    let request = with(&made.indicators, message);
    let mut pages = hub.indicators().export_observations(request).await.unwrap().into_inner();
    let mut seen = vec![false; usize::try_from(count).unwrap() + 1];
    let mut rows = 0;
    while let Some(page) = pages.message().await.unwrap() {
        for it in page.observations {
            let figure = it.figure.unwrap();
            let number: i64 = figure.provenance.unwrap().source_record.parse().unwrap();
            let sent = made.observation(number);
            match sent.value {
                Some(_) => assert_eq!(figure.value, sent.value, "not as it was: {number}"),
                None => assert_eq!(figure.numerator, sent.numerator, "not as it was: {number}"),
            }
            let seen = &mut seen[usize::try_from(number).unwrap()];
            assert!(!std::mem::replace(seen, true), "{number} came twice");
            rows += 1;
        }
    }
    assert_eq!(rows, count);
}

/// A message of whoever has this key.
fn with<M>(key: &Key, message: M) -> tonic::Request<M> {
    let mut request = tonic::Request::new(message);
    request.metadata_mut().insert("authorization", key.clone());
    request
}
