//! The two engines: where they differ, kills, outages, full disks.
pub mod commit_faults;
pub mod engine_differences;
pub mod kills;
pub mod postgres;
pub mod sqlite;
pub mod upgrade;
