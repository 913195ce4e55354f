//! sharehub, a province's data-sharing hub: indicators and dossiers over gRPC.
//!
//! This page is the map. A request is *opened* (who asks, and what is asked, already parsed), a *store* is asked, rows are
//! *answered*; or the request is *refused* with a reason. There is nothing else between the wire and the tables.
//!
//! # One idea
//!
//! Every committed write gets the next [`revision`]. Rows are never changed or deleted, only superseded, and a row knows
//! both revisions. From that follow repeatable reads, reading as known at a time, pages that do not skip, safe retries.
//!
//! # Rooms
//!
//! | room | what it is for |
//! |---|---|
//! | [`server`], [`stack`] | the listener, and what every request passes, outermost first |
//! | [`wire`], [`page`], [`error`] | opening requests, continuing answers, refusing |
//! | [`hub`] | what slices share: reads at one revision, writes that make one |
//! | [`revision`] | the counter, the one committer, receipts |
//! | [`db`], [`cache`], [`batch`], [`slots`] | the two engines; reference data kept in memory; look-ups that share a question; places for streams |
//! | [`load`], [`export`] | streams in, acknowledged as they become durable; whole answers out, at one revision |
//! | [`unit`](mod@unit) | units: codes, trees and lineage by date |
//! | [`indicator`] | definitions, observations, targets, snapshots, roll-ups |
//! | [`dossier`] | procedures, dossiers, their events and counts |
//! | [`feed`] | what changed, in order, for those who keep a copy |
//! | [`access`] | systems, by what they show who they are, their agreements, what each method needs; the [`access::Caller`] |
//! | [`personal`] | personal data: kinds, masks, keys, and a holder that cannot be printed |
//! | [`audit`] | a record of every call, in a log that proves that it was not changed |
//! | [`time`], [`period`], [`decimal`], [`rule`] | values that cannot be wrong, and what to say when input is |
//! | [`config`], [`telemetry`], [`cli`], [`demo`], [`pki`] | the program around it |
//!
//! # What is not here
//!
//! Messages ([`pb`]) are known only to `rpc.rs` files, to [`wire`], and to the commands of [`cli`] that call a hub. SQL is
//! written only in `store.rs` files, over the tables of `row.rs`. A status is built only in [`error`]. No slice imports
//! another's rows. There is no global state: a hub is a value, and two fit in one process.
//!
//! # A walk: publishing observations
//!
//! 1. [`stack`] finds the caller, the deadline and the agreement that answers the call; `indicator::rpc` opens the message into
//!    entries, each read or refused.
//! 2. [`hub::Hub::write_ahead`] hands the work to the [`revision::committer`], with the keys that it will look for: those of
//!    all writes of a commit are looked up at once, onto their [buffer](revision::unit_of_work).
//! 3. `indicator::store` resolves units at each period's end, checks the source, and supersedes what differs.
//! 4. What the writes left on the buffer is written at once. The commit makes all of it durable; each caller gets its own
//!    receipt, and the new head is announced.
pub mod access;
pub mod audit;
pub mod batch;
pub mod cache;
pub mod cli;
pub mod config;
pub mod db;
mod db_enum;
pub mod decimal;
pub mod demo;
pub mod dossier;
pub mod error;
pub mod export;
pub mod feed;
pub mod hub;
pub mod indicator;
pub mod load;
pub mod page;
pub mod pb;
pub mod period;
pub mod personal;
pub mod pki;
pub mod revision;
pub mod rule;
pub mod server;
pub mod slots;
pub mod stack;
pub mod telemetry;
pub mod time;
pub mod unit;
pub mod wire;
