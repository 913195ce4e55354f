//! What the hub costs beside what it cannot be cheaper than, in turns in one run: `cargo bench --bench calls`.
//!
//! Sections, and engines, are chosen by name: `cargo bench --bench calls -- dossier snapshot postgres`. Without a
//! name all of them run; PostgreSQL where its binaries are on the machine. Ratios hold on a noisy machine; rates do
//! not.
//!
//! | section | measures |
//! |---|---|
//! | `dossier` | `GetDossier` of different codes: echo of the same bytes, bare SQL of the same look-up, hub |
//! | `snapshot` | `GetSnapshot` of 100 values, likewise |
//! | `board` | `GetSnapshot` of 2,000 cells by selection, beside an echo of the same bytes |
//! | `roll-up` | every commune x 12 months with 3 dimensions, beside the same SQL by hand |
//! | `publish` | single durable publishes at 64 clients, beside one commit each |
//! | `audit` | `GetDossier` with personal data, its record durable first, beside the same without; checking records |
//! | `growth` | cost per read while the store grows |
//! | `memory` | the hub as a process of its own: idle, and with 1,000 watches open |
//!
//! `audit` checks `SHAREHUB_BENCH_RECORDS` records (usually 100,000). `growth` goes up to
//! `SHAREHUB_BENCH_OBSERVATIONS` observations (usually 300,000; 5,000,000 takes its time).
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "a bench may fail loudly, and prints its report"
)]
mod audit;
mod bare;
mod board;
mod engine;
mod growth;
mod memory;
mod point;
mod publish;
mod stage;
mod turns;
mod wire;

use engine::Engine;
use stage::Stage;

/// How often each contender is measured.
const PASSES: usize = 7;
/// Calls in flight.
const IN_FLIGHT: [usize; 3] = [1, 16, 128];

const SECTIONS: [&str; 8] =
    ["dossier", "snapshot", "board", "roll-up", "publish", "audit", "growth", "memory"];
const ENGINES: [&str; 2] = ["sqlite", "postgres"];

#[tokio::main]
async fn main() {
    // Cargo adds flags of its own.
    let asked: Vec<_> = std::env::args().skip(1).filter(|it| !it.starts_with('-')).collect();
    let unknown: Vec<_> =
        asked.iter().filter(|it| !SECTIONS.iter().chain(&ENGINES).any(|one| one == it)).collect();
    assert!(unknown.is_empty(), "no such section or engine: {unknown:?}");
    let wants = |all: &[&str], one: &str| {
        asked.iter().any(|it| it == one) || !asked.iter().any(|it| all.contains(&it.as_str()))
    };
    for name in ENGINES.into_iter().filter(|it| wants(&ENGINES, it)) {
        let engine = match name {
            "sqlite" => Engine::sqlite(),
            _ => match Engine::postgres().await {
                Some(engine) => engine,
                None => {
                    println!("\nPostgreSQL is not on this machine: skipped.");
                    continue;
                }
            },
        };
        let stage = Stage::new(&engine, "calls").await;
        for section in SECTIONS.into_iter().filter(|it| wants(&SECTIONS, it)) {
            match section {
                "dossier" => point::dossier(&engine, &stage).await,
                "snapshot" => point::snapshot(&engine, &stage).await,
                "board" => board::board(&engine, &stage).await,
                "roll-up" => board::roll_up(&engine, &stage).await,
                "publish" => publish::publish(&engine, &stage).await,
                "audit" => audit::audit(&engine).await,
                "growth" => growth::growth(&engine, &stage).await,
                _ => memory::memory(&engine).await,
            }
        }
    }
}
