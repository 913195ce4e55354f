//! The audit log: records, proofs, tampering, and the commands that export and check it.
pub mod commands;
pub mod proof;
pub mod records;
pub mod tamper;
