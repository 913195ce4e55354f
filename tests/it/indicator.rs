//! Indicators through the wire: definitions, observations, targets, snapshots, roll-ups, ranks.
pub mod availability;
pub mod bad_definition;
pub mod definitions;
pub mod pages;
pub mod publish;
pub mod ranks;
pub mod roll_up;
pub mod sharing;
pub mod snapshot_cache;
pub mod snapshots;
pub mod values;
pub mod withdrawals;
