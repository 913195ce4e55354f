//! sharehub, a province's data-sharing hub: indicators and dossiers over gRPC.
//!
//! This page is the map. A request is *opened* (who asks, and what is asked, already parsed), a *store* is asked,
//! rows are
//! *answered*; or the request is *refused* with a reason. There is nothing else between the wire and the tables.
//!
//! # One idea
//!
//! Every committed write gets the next [`revision`]. Rows are never changed or deleted, only superseded, and a row
//! knows both revisions. From that follow repeatable reads, reading as known at a time, pages that do not skip, safe
//! retries.
//!
//! # Floors
//!
//! A room imports only rooms on the floors below it, or on its own. The test `no_room_imports_a_room_above_it` reads
//! this table and the sources; `cargo test --test floors -- --nocapture` prints every import.
//!
//! | floor, top first | what it is for |
//! |---|---|
//! | floor [`cli`] | the commands of the program |
//! | floor [`telemetry`] | logs, spans and metrics |
//! | floor [`config`], [`pki`] | settings; certificates for development |
//! | floor [`server`] | the listener, TLS, and the one place where everything is wired |
//! | floor [`stack`], [`demo`] | what every request passes, outermost first; a hub with the figures of five articles |
//! | floor [`audit`], [`feed`], [`access`] | auditing the log; the change feed; systems, keys and agreements |
//! | floor [`dossier`] | procedures, dossiers, their events and counts |
//! | floor [`indicator`] | definitions, observations, targets, snapshots, roll-ups |
//! | floor [`unit`](mod@unit) | units: codes, trees and lineage by date |
//! | floor [`export`] | whole answers out, at one revision |
//! | floor [`load`] | streams in, acknowledged as they become durable |
//! | floor [`hub`] | reads at one revision, writes that make one, reference data by its type; it names no slice |
//! | floor [`wire`] | opening requests, reading their fields |
//! | floor [`revision`] | the counter, the one committer, a write in the order of its commit, idempotency, receipts |
//! | floor [`caller`] | who asks: system, credential, agreements, the policy of each method |
//! | floor [`log`] | the audit log: records in a Merkle tree with signed checkpoints |
//! | floor [`db`] | the two engines: connections, migrations, bulk statements |
//! | floor [`cache`], [`batch`], [`slots`], [`turns`], [`personal`], [`page`], [`period`] | what several rooms share |
//! | floor [`error`], [`time`], [`fraction`], [`decimal`], [`slug`], [`fold`] | refusals, and what cannot be wrong |
//! | floor [`rule`], [`limits`], [`outcome`], [`tree`], [`bad_config`] | the ground |
//! | floor [`pb`], [`labels`], [`code_name`], [`db_enum`] | the ground, as words and names |
//!
//! # What is not here
//!
//! Messages ([`pb`]) are known only to `rpc` files, to [`wire`], and to the commands of [`cli`] that call a hub. SQL is
//! written only in `store.rs` files, over the tables of `row.rs`. A status is built only in [`error`]. No slice imports
//! another's rows. There is no global state: a hub is a value, and two fit in one process.
//!
//! # Names
//!
//! No type name stands twice in the crate, but for those that are read with their module by habit. The test
//! `no_type_name_stands_twice` reads this list.
//!
//! - habit of services and what is asked of them: `Rpc`, `Get`, `List`, `Filter`, `Export`, `Define`, `Publish`,
//!   `Entry`
//! - habit of values: `Key`, `Kind`, `Code`, `State`
//! - habit of rows: `Model`, `Relation`
//!
//! # A walk: `PublishObservations`
//!
//! In: `stack` (record, identify, permit) finds the caller and the agreement that answers the call;
//! `indicator/rpc.rs` opens the message, `indicator/rpc/entries.rs` reads each entry or refuses it;
//! `indicator/store/publish.rs` names the keys that it will look for, in the op `PublishObservations`; `hub/write.rs`
//! makes a batch of it and queues it at `revision/committer.rs`. From there on `revision/write.rs` is read top to
//! bottom: the lookups of all writes of a commit are one query per table (`revision/unit_of_work.rs`), then each batch
//! runs. It renews the caller's rights (`access/permit.rs`), looks for an earlier answer (`revision/idempotency.rs`),
//! and runs its op: `indicator/store/publish.rs` checks, `indicator/store/keep.rs` compares with what stands in
//! `indicator/store/version_buffer.rs` and supersedes what differs.
//!
//! Out, still down `revision/write.rs`: `revision/log.rs` adds the line of the revision, `revision/unit_of_work.rs`
//! writes what is buffered, `log/store.rs` the records, and the commit makes all of it durable (`db.rs`).
//! `revision/committer.rs` announces the head and answers each write with its receipt; `indicator/rpc.rs` turns the
//! receipt into the message; `stack` measures and traces the answer.
//!
//! # A walk: `GetSnapshot`
//!
//! In: `stack`, then `indicator/rpc.rs` opens the message by `indicator/rpc/questions.rs`;
//! `indicator/store/snapshot.rs` picks the view (`revision.rs`), finds definitions and units (`hub/reference.rs`),
//! and takes the cells that are in memory (`indicator/cells.rs`). Those that are missing are read together with what
//! other calls miss (`batch.rs`), at one revision.
//!
//! Out: `indicator/judge.rs` says how fresh each cell is and how its target is attained; `indicator/rpc/encoded.rs`
//! encodes a cell once, for this answer and for those from memory; `indicator/rpc.rs` answers with the revision that
//! all of it is of.
pub mod access;
pub mod audit;
pub mod bad_config;
pub mod batch;
pub mod cache;
pub mod caller;
pub mod cli;
pub mod code_name;
pub mod config;
pub mod db;
mod db_enum;
pub mod decimal;
pub mod demo;
pub mod dossier;
pub mod error;
pub mod export;
pub mod feed;
pub mod fold;
pub mod fraction;
pub mod hub;
pub mod indicator;
pub mod labels;
pub mod limits;
pub mod load;
pub mod log;
pub mod outcome;
pub mod page;
pub mod pb;
pub mod period;
pub mod personal;
pub mod pki;
pub mod revision;
pub mod rule;
pub mod server;
pub mod slots;
pub mod slug;
pub mod stack;
pub mod telemetry;
pub mod time;
pub mod tree;
pub mod turns;
pub mod unit;
pub mod wire;
