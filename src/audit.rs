//! What auditors ask of the log: records, who saw whose data, proofs, and an export that is verified offline.
pub mod rpc;
pub mod store;
pub mod verify;

use crate::{page::Page, personal::Sought, time::Timestamp};

/// Asks for records.
#[derive(Debug)]
pub struct List {
    /// The page.
    pub page: Page,
    /// Of calls of this system.
    pub system: Option<String>,
    /// Of this method.
    pub method: Option<String>,
    /// Written at or after.
    pub written_from: Option<Timestamp>,
    /// Written before.
    pub written_before: Option<Timestamp>,
    /// Only those with personal data.
    pub personal: bool,
    /// Only refusals and failures.
    pub refused: bool,
}

/// Whose personal data somebody saw.
#[derive(Debug)]
pub enum Subject {
    /// That of a dossier, by its code.
    Dossier(String),
    /// That of every dossier of an applicant.
    Applicant(Sought),
}

/// Asks who saw personal data.
#[derive(Debug)]
pub struct ListAccess {
    /// Whose it is.
    pub subject: Subject,
    /// The page.
    pub page: Page,
}

/// Asks for a proof that a record is in the log.
#[derive(Clone, Copy, Debug)]
pub struct Inclusion {
    /// The record.
    pub seq: i64,
    /// The size of the log; 0 for the newest checkpoint's.
    pub size: u64,
}

/// Asks for a proof that one log is the beginning of another.
#[derive(Clone, Copy, Debug)]
pub struct LogConsistency {
    /// The size of the earlier one.
    pub first: u64,
    /// The size of the later one; 0 for the newest checkpoint's.
    pub second: u64,
}
