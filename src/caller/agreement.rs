//! Agreements: what a system may do with data, for which purpose, and until when.
use std::{collections::BTreeSet, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{Grants, Pattern, any, policy::Kind, scope::UnitScope};
use crate::{
    error::{Error, Reason},
    personal::Tier,
    slug::Slug,
    time::{Day, Timestamp},
    tree::Tree,
};

crate::db_enum::db_enum! {
    /// What is done with data.
    #[derive(Serialize, Deserialize)]
    pub enum Operation {
        /// Read it.
        Read = 1,
        /// Follow its changes.
        Watch = 2,
        /// Publish it.
        Publish = 3,
        /// Count it, of dossiers, and see none.
        Count = 4,
    }
}

impl Operation {
    /// As refusals name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "READ",
            Self::Watch => "WATCH",
            Self::Publish => "PUBLISH",
            Self::Count => "COUNT",
        }
    }
}

crate::db_enum::db_enum! {
    /// How long a window is, in which calls are counted.
    #[derive(Serialize, Deserialize)]
    pub enum Window {
        /// A second.
        Second = 1,
        /// A minute.
        Minute = 2,
        /// An hour.
        Hour = 3,
        /// A day.
        Day = 4,
        /// A month.
        Month = 5,
    }
}

impl Window {
    /// As refusals name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Second => "SECOND",
            Self::Minute => "MINUTE",
            Self::Hour => "HOUR",
            Self::Day => "DAY",
            Self::Month => "MONTH",
        }
    }

    /// The window that an instant is in, in Viet Nam's time: its first instant, and the first one after it.
    pub fn around(self, at: Timestamp) -> (Timestamp, Timestamp) {
        const SECOND: i64 = 1_000_000;
        let fixed = |length: i64| {
            let start = at.micros().div_euclid(length) * length;
            (Timestamp::from_micros(start), Timestamp::from_micros(start + length))
        };
        match self {
            // Viet Nam's clock is whole hours ahead: its hours begin with the world's.
            Self::Second => fixed(SECOND),
            Self::Minute => fixed(60 * SECOND),
            Self::Hour => fixed(3_600 * SECOND),
            Self::Day => (at.day().start(), at.day().next().start()),
            Self::Month => {
                let (year, month) = at.month();
                let next = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
                let first = |(year, month)| Day::from_ymd(year, month, 1).unwrap_or(Day::LAST);
                (first((year, month)).start(), first(next).start())
            }
        }
    }
}

/// So many calls in each window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Limit {
    /// Calls.
    pub calls: i64,
    /// The window.
    pub per: Window,
}

/// The data that an agreement is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Dataset {
    /// Indicators whose codes match.
    Indicators(Vec<Pattern>),
    /// Dossiers of these fields or procedures; all where both are empty.
    Dossiers {
        /// Codes of fields.
        fields: BTreeSet<String>,
        /// National codes of procedures.
        procedures: BTreeSet<String>,
    },
}

impl Dataset {
    /// Which kind of data it is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Indicators(_) => Kind::Indicators,
            Self::Dossiers { .. } => Kind::Dossiers,
        }
    }
}

/// What an agreement allows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// What may be done.
    pub operations: BTreeSet<Operation>,
    /// With which data.
    pub dataset: Dataset,
    /// Of which units, each with all below it; all where there are none.
    pub units: BTreeSet<i64>,
    /// In which tree it is looked what is below them. Agreements of earlier releases name none: theirs is
    /// ADMINISTRATION, which holds all that TERRITORY does.
    #[serde(default)]
    pub tree: Option<Tree>,
    /// With what the codes of dossiers begin that it publishes; `*` for all. None in agreements of earlier releases.
    #[serde(default)]
    pub dossier_codes: Vec<String>,
    /// How much of personal data is shown.
    pub personal_data: Tier,
    /// How many calls, by the length of the window.
    pub limits: Vec<Limit>,
    /// Whether the system also publishes indicators of which it is not the authoritative source: kept beside.
    #[serde(default)]
    pub contributes: bool,
    /// The least count that is shown or can be derived; any when none.
    #[serde(default)]
    pub min_cell: Option<i32>,
}

impl Terms {
    /// Whether all dossiers of all units are meant.
    pub fn is_for_all(&self) -> bool {
        let all = match &self.dataset {
            Dataset::Indicators(_) => false,
            Dataset::Dossiers { fields, procedures } => fields.is_empty() && procedures.is_empty(),
        };
        all && self.units.is_empty()
    }
}

/// A signed document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SignedDocument {
    /// Its number and date as written; empty when there is none.
    pub number: String,
    /// SHA-256 of its file in hexadecimal digits; may be empty.
    pub sha256: String,
}

/// An agreement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreement {
    /// Its code.
    pub code: Slug,
    /// The system that it is made with.
    pub system_id: i64,
    /// What the data is used for.
    pub purpose: Slug,
    /// Its title.
    pub title: String,
    /// By which law or decision.
    pub legal_basis: String,
    /// The document.
    pub document: SignedDocument,
    /// What it allows.
    pub terms: Terms,
    /// From when on it holds.
    pub valid_from: Timestamp,
    /// Until when, excluded.
    pub valid_before: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// The revision that made this version.
    pub made_at: i64,
}

impl Agreement {
    /// Whether it holds at an instant.
    pub fn lives(&self, at: Timestamp) -> bool {
        self.revoked_at.is_none() && self.valid_from <= at && at < self.valid_before
    }

    /// Whether its data are of a kind, and an operation is in it.
    pub fn covers(&self, operation: Operation, kind: Kind) -> bool {
        self.terms.dataset.kind() == kind && self.terms.operations.contains(&operation)
    }

    /// Whether its indicators have this code among them.
    pub fn has_indicator(&self, code: &str) -> bool {
        match &self.terms.dataset {
            Dataset::Indicators(patterns) => any(patterns, code),
            Dataset::Dossiers { .. } => false,
        }
    }

    /// Whether it gives its system dossiers with this code to publish.
    pub fn owns(&self, code: &str) -> bool {
        let begins = |it: &String| it == "*" || code.starts_with(it.as_str());
        self.terms.dossier_codes.iter().any(begins)
    }

    /// A beginning of codes that this one and another system's give away both, at some instant.
    pub fn shares_codes(&self, other: &Self) -> Option<&str> {
        let at_once = self.valid_from < other.valid_before && other.valid_from < self.valid_before;
        let both_hold = self.revoked_at.is_none() && other.revoked_at.is_none();
        if self.system_id == other.system_id || !at_once || !both_hold {
            return None;
        }
        let plain = |it: &'_ str| if it == "*" { String::new() } else { it.to_owned() };
        let meets = |it: &&String| {
            let own = plain(it);
            let others = other.terms.dossier_codes.iter().map(|it| plain(it));
            others.into_iter().any(|it| it.starts_with(&own) || own.starts_with(&it))
        };
        self.terms.dossier_codes.iter().find(meets).map(String::as_str)
    }

    /// Whether a call could be answered by this one or by another, at some instant.
    pub fn overlaps(&self, other: &Self) -> bool {
        let is_same = self.system_id == other.system_id
            && self.purpose == other.purpose
            && self.terms.dataset.kind() == other.terms.dataset.kind();
        let at_once = self.valid_from < other.valid_before && other.valid_from < self.valid_before;
        let shared = !self.terms.operations.is_disjoint(&other.terms.operations);
        let both_hold = self.revoked_at.is_none() && other.revoked_at.is_none();
        is_same && at_once && shared && both_hold
    }
}

/// An agreement that a call is answered by, as far as it goes for the call.
#[derive(Clone, Debug)]
pub struct Right {
    /// The agreement.
    pub agreement: Arc<Agreement>,
    /// The operation of it that was found: a publisher of dossiers sees its own.
    pub operation: Operation,
    /// The units inside it, and on which days; all where there is no list.
    pub units: Option<Arc<UnitScope>>,
    /// The procedures inside it; all where there is no list.
    pub procedures: Option<Arc<BTreeSet<i64>>>,
}

impl Right {
    /// Whether a unit is inside on a day.
    pub fn has_unit(&self, id: i64, day: Day) -> bool {
        self.units.as_ref().is_none_or(|it| it.has(id, day))
    }

    /// Whether a procedure is inside.
    pub fn has_procedure(&self, id: i64) -> bool {
        self.procedures.as_ref().is_none_or(|it| it.contains(&id))
    }

    /// Refuses to go on with what was begun by an earlier version of the agreement, if that showed more.
    pub fn must_include(&self, earlier: &Self) -> Result<(), Error> {
        let tier = self.agreement.terms.personal_data;
        let has_fewer_units = match (&self.units, &earlier.units) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(now), Some(before)) => !now.includes(before),
        };
        let is_less = has_fewer_units
            || is_less(self.procedures.as_ref(), earlier.procedures.as_ref())
            || tier < earlier.agreement.terms.personal_data;
        if is_less { Err(outside(&self.agreement, "some of the data")) } else { Ok(()) }
    }
}

/// Whether something of a list is gone; no list is all there is.
fn is_less(now: Option<&Arc<BTreeSet<i64>>>, before: Option<&Arc<BTreeSet<i64>>>) -> bool {
    match (now, before) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(now), Some(before)) => !before.is_subset(now),
    }
}

/// The agreements that a call is answered by: one for each kind of data that its method deals with.
#[derive(Clone, Debug, Default)]
pub struct Rights {
    /// For indicators.
    pub indicators: Option<Right>,
    /// For dossiers.
    pub dossiers: Option<Right>,
}

impl Rights {
    /// The right to a kind of data.
    pub fn of(&self, kind: Kind) -> Option<&Right> {
        match kind {
            Kind::Indicators => self.indicators.as_ref(),
            Kind::Dossiers => self.dossiers.as_ref(),
        }
    }

    /// Every right.
    pub fn all(&self) -> impl Iterator<Item = &Right> {
        self.indicators.iter().chain(&self.dossiers)
    }
}

/// The longest that an agreement may hold: ten years.
pub const LONGEST: i64 = 3_653 * 86_400_000_000;

/// Whether a system may know of an indicator: it defines it, or a living agreement of it speaks of it.
pub fn knows_indicator(
    grants: &Grants,
    agreements: &[Arc<Agreement>],
    code: &str,
    at: Timestamp,
) -> bool {
    any(&grants.define_indicators, code)
        || agreements.iter().any(|it| it.has_indicator(code) && it.lives(at))
}

/// The refusal of a call that no living agreement covers.
pub fn not_covered(operation: Operation, kind: Kind, purpose: Option<&Slug>) -> Error {
    let (operation, kind) = (operation.name(), kind.name());
    let what = format!("no living agreement of yours covers {operation} of {kind}");
    let (what, err) = match purpose {
        None => (what, None),
        Some(it) => (format!("{what} for the purpose `{}`", it.as_str()), Some(it)),
    };
    let refused = Error::new(Reason::NotPermitted, what);
    let refused = refused.with("operation", operation).with("dataset", kind);
    match err {
        None => refused,
        Some(it) => refused.with("purpose", it.as_str()),
    }
}

/// The refusal of a part of a call that its agreement does not cover.
pub fn outside(agreement: &Agreement, what: &str) -> Error {
    let code = agreement.code.as_str();
    let what = format!("`{what}` is not in the agreement `{code}` that answers this call");
    let refused = Error::new(Reason::NotPermitted, what).with("agreement", code);
    refused.with("dataset", agreement.terms.dataset.kind().name())
}

/// The refusal of a question that needs personal data in full.
pub fn not_in_full() -> Error {
    let what = "the agreement that answers this call does not show personal data in full";
    Error::new(Reason::NotPermitted, what).with("dataset", Kind::Dossiers.name())
}

/// Whether a text is a SHA-256 in hexadecimal digits.
pub fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'))
}

/// The rule for purposes in metadata.
pub fn purpose(text: &str) -> Result<Slug, Error> {
    Slug::parse(text).map_err(|rule| Error::field("metadata[\"sharehub-purpose\"]", rule))
}
