//! Parsed requests about systems, keys and agreements.
use std::collections::BTreeMap;

use crate::{
    caller::{
        Grants, Pattern, System, SystemCode,
        agreement::{SignedDocument, Terms},
    },
    error::{Error, Result},
    hub::row::held_change::HeldState,
    page::Page,
    revision::{Consistency, expected::Expected, write::Write},
    slug::Slug,
    time::Timestamp,
    unit,
};

/// Registers a system.
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
    /// The unit that runs it.
    pub agency_unit: Option<unit::Ref>,
    /// Contact for questions about what it publishes.
    pub contact: String,
}

impl Register {
    /// One with a name and grants only.
    pub fn plain(code: SystemCode, name: String, grants: Grants) -> Self {
        let (statuses, contact) = (BTreeMap::new(), String::new());
        Self { code, name, grants, statuses, agency_unit: None, contact }
    }
}

/// Updates a system; a field that is none stays.
#[derive(Clone, Debug)]
pub struct Update {
    /// Its code.
    pub code: SystemCode,
    /// Its name.
    pub name: Option<String>,
    /// Its grants, one by one.
    pub grants: GrantsUpdate,
    /// Its status codes.
    pub statuses: Option<BTreeMap<String, i32>>,
    /// The unit that runs it, or none to clear it.
    pub agency_unit: Option<Option<unit::Ref>>,
    /// Contact for questions about what it publishes.
    pub contact: Option<String>,
    /// The version that the update expects.
    pub expected: Expected,
}

impl Update {
    /// The system after the update, with the unit resolved; it stays disabled if it was.
    pub fn of(self, known: &System, agency: Option<i64>) -> System {
        let Self { code: _, name, grants, statuses, agency_unit, contact, expected: _ } = self;
        let known = known.clone();
        System {
            name: name.unwrap_or(known.name),
            grants: grants.of(known.grants),
            statuses: statuses.unwrap_or(known.statuses),
            agency_unit_id: if agency_unit.is_some() { agency } else { known.agency_unit_id },
            contact: contact.unwrap_or(known.contact),
            ..known
        }
    }
}

/// Updates the grants of a system; a field that is none stays.
#[derive(Clone, Debug, Default)]
pub struct GrantsUpdate {
    /// Register systems, issue keys, make agreements.
    pub administrator: Option<bool>,
    /// Publish units and successions.
    pub publish_units: Option<bool>,
    /// Define these indicators.
    pub define_indicators: Option<Vec<Pattern>>,
    /// Define procedures.
    pub define_procedures: Option<bool>,
    /// Read the audit log.
    pub auditor: Option<bool>,
}

impl GrantsUpdate {
    fn of(self, known: Grants) -> Grants {
        let Self { administrator, publish_units, define_indicators, define_procedures, auditor } =
            self;
        Grants {
            administrator: administrator.unwrap_or(known.administrator),
            publish_units: publish_units.unwrap_or(known.publish_units),
            define_indicators: define_indicators.unwrap_or(known.define_indicators),
            define_procedures: define_procedures.unwrap_or(known.define_procedures),
            auditor: auditor.unwrap_or(known.auditor),
        }
    }
}

/// Asks for systems.
#[derive(Debug)]
pub struct List {
    /// The page.
    pub page: Page,
    /// The revision to read at.
    pub consistency: Consistency,
}

/// Asks for a key.
#[derive(Clone, Debug)]
pub struct Issue {
    /// For this system.
    pub system: SystemCode,
    /// When it expires.
    pub expires_at: Option<Timestamp>,
}

impl Issue {
    /// When the key will expire: within 366 days, after a year by default.
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

/// Disables a system, or enables it again.
#[derive(Clone, Debug)]
pub struct Switch {
    /// Its code.
    pub code: SystemCode,
    /// Whether it is disabled.
    pub disabled: bool,
}

/// Revokes the key with this id.
#[derive(Clone, Debug)]
pub struct RevokeKey(pub String);

/// Grants an agreement, or replaces the expected version.
#[derive(Clone, Debug)]
pub struct PutAgreement {
    /// The agreement.
    pub grant: Grant,
    /// The version that it replaces; none for a new agreement.
    pub expected: Expected,
}

/// Ends an agreement.
#[derive(Clone, Debug)]
pub struct RevokeAgreement {
    /// Its code.
    pub code: Slug,
    /// The version that the request expects.
    pub expected: Expected,
}

/// The content of an agreement.
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
    pub document: SignedDocument,
    /// The terms; their units are named in `units`.
    pub terms: Terms,
    /// The units.
    pub units: Vec<unit::Ref>,
    /// First instant of validity; absent: unchanged, or now.
    pub valid_from: Option<Timestamp>,
    /// End of validity.
    pub valid_before: Timestamp,
}

/// Asks for agreements.
#[derive(Debug)]
pub struct ListAgreements {
    /// Of this system; none for all that the caller may know of.
    pub system: Option<SystemCode>,
    /// Whether to include ended ones.
    pub with_ended: bool,
    /// The page.
    pub page: Page,
    /// The revision to read at.
    pub consistency: Consistency,
}

/// Asks for held changes.
#[derive(Debug)]
pub struct ListHeldChanges {
    /// Only those that stand so.
    pub state: Option<HeldState>,
    /// The page.
    pub page: Page,
}

/// An administrator's decision about a held change.
#[derive(Debug)]
pub struct Decision {
    /// Its number.
    pub id: i64,
    /// Why.
    pub reason: String,
}
