//! Features, rules over the schema, and endings, all through the wire.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    unreachable_pub,
    dead_code,
    reason = "a test crate: helpers may fail loudly, and are shared between modules"
)]
mod dossier;
pub(crate) mod engine;
pub(crate) mod hub;
mod seeds;
mod unit;
