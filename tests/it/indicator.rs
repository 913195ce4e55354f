//! Indicators through the wire: definitions, observations, targets, snapshots, roll-ups, ranks.
pub mod availability;
pub mod bad_definition;
pub mod boards;
pub mod breakdowns;
pub mod cubes;
pub mod definitions;
pub mod meaning;
pub mod pages;
pub mod periods;
pub mod publish;
pub mod ranks;
pub mod roll_up;
pub mod sharing;
pub mod snapshot_cache;
pub mod snapshots;
pub mod values;
pub mod withdrawals;
