//! Features, rules over the schema, and endings, all through the wire.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    unreachable_pub,
    reason = "a test crate: helpers may fail loudly, and are shared between modules"
)]
#![allow(
    clippy::allow_attributes,
    dead_code,
    reason = "what one of the two engines' targets does not use, the other one does"
)]
pub(crate) mod access;
pub(crate) mod agreement;
pub(crate) mod audit;
pub(crate) mod bad_definition;
pub(crate) mod bad_input;
pub(crate) mod bad_question;
pub(crate) mod call;
pub(crate) mod canary;
pub(crate) mod chains;
pub(crate) mod crash;
pub(crate) mod crowd;
pub(crate) mod disk;
pub(crate) mod dossier;
pub(crate) mod engine;
pub(crate) mod engines;
pub(crate) mod export;
pub(crate) mod faults;
pub(crate) mod feed;
pub(crate) mod hub;
pub(crate) mod identity;
pub(crate) mod import;
pub(crate) mod indicator;
pub(crate) mod indicator_page;
pub(crate) mod indicator_read;
pub(crate) mod indicator_share;
pub(crate) mod indicator_sum;
pub(crate) mod load;
pub(crate) mod personal;
pub(crate) mod pki;
pub(crate) mod program;
pub(crate) mod proxy;
pub(crate) mod raw;
pub(crate) mod retention;
pub(crate) mod rotation;
pub(crate) mod schema;
pub(crate) mod seeds;
pub(crate) mod server;
pub(crate) mod snapshot;
pub(crate) mod stack;
pub(crate) mod table;
pub(crate) mod tls;
pub(crate) mod together;
pub(crate) mod token;
pub(crate) mod unit;
pub(crate) mod validate;
pub(crate) mod wire;
