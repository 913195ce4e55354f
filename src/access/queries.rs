//! What administrators ask of systems, keys and agreements.
use std::collections::BTreeMap;

use crate::{
    caller::{
        Grants, SystemCode,
        agreement::{Document, Terms},
    },
    error::{Error, Result},
    page::Page,
    revision::{Consistency, committer::Write},
    slug::Slug,
    time::Timestamp,
    unit,
};

/// Registers a system, or replaces what is registered under its code.
#[derive(Clone, Debug)]
pub struct Register {
    /// Its code.
    pub code: SystemCode,
    /// Its name.
    pub name: String,
    /// What it may do.
    pub grants: Grants,
    /// Its status codes.
    pub statuses: BTreeMap<String, i32>,
}

/// Asks for systems.
#[derive(Debug)]
pub struct List {
    /// The page.
    pub page: Page,
    /// What the read must have seen.
    pub consistency: Consistency,
}

/// Asks for a key.
#[derive(Clone, Debug)]
pub struct Issue {
    /// For this system.
    pub system: SystemCode,
    /// From when on it is refused.
    pub expires_at: Option<Timestamp>,
}

impl Issue {
    /// When the key will expire: within 366 days, a year when not said.
    pub fn expiry(&self, write: &Write) -> Result<Timestamp> {
        const DAY: i64 = 86_400_000_000;
        let now = write.revision.at;
        let (usual, most) = (now.micros() + 365 * DAY, now.micros() + 366 * DAY);
        let expires_at = self.expires_at.unwrap_or(Timestamp::from_micros(usual));
        if expires_at <= now || expires_at.micros() > most {
            return Err(Error::field("expires_at", "lie in the future, at most 366 days ahead"));
        }
        Ok(expires_at)
    }
}

/// Makes or replaces an agreement.
#[derive(Clone, Debug)]
pub struct Grant {
    /// Its code.
    pub code: Slug,
    /// The system.
    pub system: SystemCode,
    /// The purpose.
    pub purpose: Slug,
    /// The title.
    pub title: String,
    /// The legal basis.
    pub legal_basis: String,
    /// The document.
    pub document: Document,
    /// The terms; their units are named in `units`.
    pub terms: Terms,
    /// The units.
    pub units: Vec<unit::Ref>,
    /// From when on; absent: as it was, or now.
    pub valid_from: Option<Timestamp>,
    /// Until when.
    pub valid_before: Timestamp,
}

/// Asks for agreements.
#[derive(Debug)]
pub struct ListAgreements {
    /// Of this system; of all that the caller may know of where there is none.
    pub system: Option<SystemCode>,
    /// Also those that hold no more.
    pub with_ended: bool,
    /// The page.
    pub page: Page,
    /// What the read must have seen.
    pub consistency: Consistency,
}
