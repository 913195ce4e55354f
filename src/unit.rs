//! Units: their values, levels, code schemes and rules.
pub mod forest;
pub mod reference;
pub mod row;
pub mod rpc;
pub mod store;
#[cfg(test)]
mod tests;
pub mod wire;

use serde::{Deserialize, Serialize};

pub use crate::tree::Tree;

use crate::{
    db_enum::db_enum,
    decimal::Decimal,
    page::Page,
    revision::{Consistency, expected::Expected},
    rule::Rule,
    slug,
    time::{Day, Span},
};

db_enum! {
    /// Level of a unit.
    pub enum Level {
        /// Province or centrally run city.
        Province = 1,
        /// District; none after 2025-06-30.
        District = 2,
        /// Commune, ward or township.
        Commune = 3,
        /// Department or agency.
        Agency = 4,
        /// School, health station, one-stop desk: below a locality or an agency.
        Facility = 5,
    }
}

impl Level {
    /// Whether units of this level have a territory of their own.
    pub fn is_locality(self) -> bool {
        match self {
            Self::Province | Self::District | Self::Commune => true,
            Self::Agency | Self::Facility => false,
        }
    }
}

db_enum! {
    /// How much of a unit a succession hands over.
    pub enum Transfer {
        /// The whole unit.
        Whole = 1,
        /// A part of the unit.
        Part = 2,
    }
}

db_enum! {
    /// The kind of a succession.
    pub enum SuccessionKind {
        /// Several became one.
        Merge = 1,
        /// One became several.
        Split = 2,
        /// A part went to another.
        PartialTransfer = 3,
        /// Another name.
        Rename = 4,
        /// Another type.
        ChangeOfType = 5,
        /// Closed, without a successor.
        Abolition = 6,
        /// Unchanged, carried over into a new list.
        Continuation = 7,
    }
}

/// A scheme of codes: `gso`, `agency`, or a source system's code.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Scheme(String);

impl Scheme {
    /// Reads a scheme; empty means `gso`.
    pub fn parse(text: &str) -> Result<Self, Rule> {
        match text {
            "" => Ok(Self::gso()),
            text if slug::is_slug(text) => Ok(Self(text.to_owned())),
            _ => Err("be `gso`, `agency`, or the code of a source system".into()),
        }
    }

    /// The General Statistics Office's codes of territory.
    pub fn gso() -> Self {
        Self("gso".to_owned())
    }

    /// The electronic identifiers of agencies.
    pub fn agency() -> Self {
        Self("agency".to_owned())
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Reads the code of a unit. Each scheme sets its own rules, so only the shape is checked.
pub fn parse_code(text: &str) -> Result<String, Rule> {
    let ok = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    if !text.is_empty() && text.len() <= 35 && text.bytes().all(ok) {
        return Ok(text.to_owned());
    }
    Err("be 1 to 35 letters, digits, dots, hyphens or underscores".into())
}

/// A reference to one unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ref {
    /// The hub's id.
    Id(i64),
    /// A code, at its own date or at the date that the request speaks about.
    Code {
        /// The scheme.
        scheme: Scheme,
        /// The code.
        code: String,
        /// The date, when it gives its own.
        date: Option<Day>,
    },
}

impl std::fmt::Display for Ref {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Id(id) => write!(f, "id:{id}"),
            Self::Code { scheme, code, date } => {
                if *scheme != Scheme::gso() {
                    write!(f, "{}:", scheme.as_str())?;
                }
                f.write_str(code)?;
                date.map_or(Ok(()), |date| write!(f, "@{date}"))
            }
        }
    }
}

impl Ref {
    /// From the text form that [`Ref`] displays.
    pub fn from_text(text: &str) -> Option<Self> {
        let (code, date) = match text.split_once('@') {
            Some((code, date)) => (code, Some(Day::parse(date).ok()?)),
            None => (text, None),
        };
        let (scheme, code) = match code.split_once(':') {
            Some(("id", id)) => return id.parse().ok().map(Self::Id),
            Some((scheme, code)) => (Scheme::parse(scheme).ok()?, code),
            None => (Scheme::gso(), code),
        };
        Some(Self::Code { scheme, code: parse_code(code).ok()?, date })
    }
}

/// A unit as it is named inside answers about something else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// The hub's id.
    pub id: i64,
    /// Its level.
    pub level: Level,
    /// Its name.
    pub name: String,
    /// Its `gso` code, or the first of another scheme.
    pub code: String,
}

/// A code that a unit bears for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeSpan {
    /// The scheme.
    pub scheme: Scheme,
    /// The code.
    pub code: String,
    /// When.
    pub span: Span,
}

/// A link from a unit to its parent, for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParentSpan {
    /// In which tree.
    pub tree: Tree,
    /// To which unit.
    pub parent_id: i64,
    /// When.
    pub span: Span,
}

/// A unit: one row, with the lists inside it opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// The hub's id.
    pub id: i64,
    /// Its level.
    pub level: Level,
    /// Its name, with its type.
    pub name: String,
    /// When it is valid.
    pub span: Span,
    /// Its codes.
    pub codes: Vec<CodeSpan>,
    /// Its parents.
    pub parents: Vec<ParentSpan>,
    /// The revision that made this version.
    pub made_at: i64,
}

/// A succession: one unit takes over from another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Succession {
    /// The unit before.
    pub predecessor_id: i64,
    /// The unit after; none for an abolition.
    pub successor_id: Option<i64>,
    /// The first day on which it holds.
    pub effective: Day,
    /// The kind of change.
    pub kind: SuccessionKind,
    /// Whether the whole unit went there.
    pub transfer: Transfer,
    /// The share that went there, where a source gives one.
    pub weight: Option<Decimal>,
    /// The basis of the share: population, households or area.
    pub weight_basis: String,
    /// The legal act.
    pub legal_act: String,
    /// The source.
    pub source: String,
}

/// A parsed request for one unit.
#[derive(Debug)]
pub struct Get {
    /// Which.
    pub unit: Ref,
    /// The revision to read at.
    pub consistency: Consistency,
}

/// A parsed request for units.
#[derive(Debug)]
pub struct List {
    /// The date at which they must be valid.
    pub date: Day,
    /// Of this level.
    pub level: Option<Level>,
    /// Below this one.
    pub below: Option<Ref>,
    /// In this tree.
    pub tree: Tree,
    /// Text that their names contain, folded.
    pub name: String,
    /// Beginnings of words in their names, or of their codes; folded.
    pub text: Vec<String>,
    /// Direct children only.
    pub children_only: bool,
    /// The page.
    pub page: Page,
    /// The revision to read at.
    pub consistency: Consistency,
}

/// A parsed request for the lineage of a unit.
#[derive(Debug)]
pub struct Trace {
    /// Which.
    pub unit: Ref,
    /// The date to follow it to.
    pub date: Day,
    /// The revision to read at.
    pub consistency: Consistency,
}

/// A unit to be published.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The hub's id, when the caller knows it.
    pub id: Option<i64>,
    /// Its level.
    pub level: Level,
    /// Its name.
    pub name: String,
    /// When it is valid.
    pub span: Span,
    /// Its codes.
    pub codes: Vec<CodeSpan>,
    /// Its parents.
    pub parents: Vec<ParentEntry>,
    /// The version that it replaces.
    pub expected: Expected,
}

/// A link from a unit to its parent.
#[derive(Clone, Debug)]
pub struct ParentEntry {
    /// In which tree.
    pub tree: Tree,
    /// To which unit.
    pub parent: Ref,
    /// When.
    pub span: Span,
}

/// A succession to be published.
#[derive(Clone, Debug)]
pub struct SuccessionEntry {
    /// The unit before.
    pub predecessor: Ref,
    /// The unit after.
    pub successor: Option<Ref>,
    /// The kind of change.
    pub kind: SuccessionKind,
    /// The first day on which it holds.
    pub effective: Day,
    /// Whether the whole unit went there.
    pub transfer: Transfer,
    /// The share that went there.
    pub weight: Option<Decimal>,
    /// The basis of the share: population, households or area.
    pub weight_basis: String,
    /// The legal act.
    pub legal_act: String,
    /// The source.
    pub source: String,
}

/// Units and successions to be published: each entry as it was read, or its refusal.
#[derive(Clone, Debug)]
pub struct Publish {
    /// Units.
    pub units: Vec<crate::error::Result<Entry>>,
    /// Successions.
    pub successions: Vec<crate::error::Result<SuccessionEntry>>,
}
