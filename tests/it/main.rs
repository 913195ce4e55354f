//! Features, rules over the schema, and endings, all through the wire.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::wildcard_enum_match_arm,
    unreachable_pub,
    reason = "a test crate: helpers may fail loudly, and are shared between modules"
)]
pub(crate) mod access;
pub(crate) mod architecture;
pub(crate) mod audit;
pub(crate) mod cli;
pub(crate) mod db;
pub(crate) mod demo;
pub(crate) mod dossier;
pub(crate) mod feed;
pub(crate) mod hub;
pub(crate) mod indicator;
pub(crate) mod load;
pub(crate) mod oracle;
pub(crate) mod server;
pub(crate) mod support;
pub(crate) mod unit;
pub(crate) mod wire;
