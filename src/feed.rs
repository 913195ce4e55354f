//! The change feed: every change in order, for systems that keep a copy.
pub mod filter;
pub mod position;
pub mod row;
pub mod rpc;
pub mod store;
pub mod tail;
pub mod watch;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use crate::{
    caller::{Caller, Pattern},
    dossier,
    indicator::{self, queries::BreakdownFilter},
    page::Page,
    revision::Revision,
    revision::touched::TouchedSet,
    unit,
};

/// A parsed request to watch.
#[derive(Debug)]
pub struct Watch {
    /// The filters.
    pub filters: Vec<Filter>,
    /// A hash of the filters: a token is valid only with the filters it came with.
    pub question: [u8; 32],
    /// The start.
    pub from: From,
    /// Longest time between two messages.
    pub bookmark: Duration,
}

/// Where a watch starts.
#[derive(Debug)]
pub enum From {
    /// After the newest revision.
    Now,
    /// With the state at one revision.
    Beginning,
    /// After the message that this token came with.
    Token(String),
}

/// One thing to follow.
#[derive(Clone, Debug)]
pub enum Filter {
    /// Indicators.
    Indicators(IndicatorFilter),
    /// Dossiers.
    Dossiers(DossierFilter),
    /// Procedures.
    Procedures,
    /// Units.
    Units,
}

/// Indicators to follow.
#[derive(Clone, Debug)]
pub struct IndicatorFilter {
    /// Their codes; all when empty.
    pub patterns: Vec<Pattern>,
    /// Only these units; all when empty.
    pub units: Vec<unit::Ref>,
    /// Also the units below them.
    pub with_descendants: bool,
    /// The kinds of things about them.
    pub parts: BTreeSet<Part>,
    /// Only these breakdowns.
    pub breakdowns: BreakdownFilter,
}

/// The kinds of things about an indicator that a filter follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Definitions.
    Definitions,
    /// Observations.
    Observations,
    /// Targets.
    Targets,
}

/// Dossiers to follow.
#[derive(Clone, Debug)]
pub struct DossierFilter {
    /// Received by this unit or one below it.
    pub receiving_unit: Option<unit::Ref>,
    /// Of this procedure.
    pub procedure: Option<dossier::ProcedureCode>,
}

/// A version that a revision made.
#[derive(Clone, Debug)]
pub enum Thing {
    /// A version of a unit.
    Unit(Arc<unit::Unit>),
    /// A version of a definition, an observation or a target.
    Indicator(indicator::store::changes::IndicatorChange),
    /// A version of a procedure.
    Procedure(Arc<dossier::store::changes::ProcedureChange>),
    /// A version of a dossier.
    Dossier(Arc<dossier::store::changes::DossierChange>),
}

impl Thing {
    /// The revision that made it.
    pub fn revision(&self) -> i64 {
        match self {
            Self::Unit(it) => it.made_at,
            Self::Indicator(it) => it.revision(),
            Self::Procedure(it) => it.procedure.made_at,
            Self::Dossier(it) => it.dossier.made_at,
        }
    }

    /// Whether it was withdrawn.
    pub fn is_withdrawal(&self) -> bool {
        match self {
            Self::Unit(_) => false,
            Self::Indicator(it) => it.withdrawal_reason().is_some(),
            Self::Procedure(it) => it.withdrawal_reason.is_some(),
            Self::Dossier(it) => it.is_withdrawal,
        }
    }

    /// The reason of its withdrawal. That of a dossier is not sent: it may hold personal data.
    pub fn withdrawal_reason(&self) -> Option<&str> {
        match self {
            Self::Unit(_) | Self::Dossier(_) => None,
            Self::Indicator(it) => it.withdrawal_reason(),
            Self::Procedure(it) => it.withdrawal_reason.as_deref(),
        }
    }

    /// Its approximate size on the wire, in bytes.
    pub fn weight(&self) -> usize {
        match self {
            Self::Unit(_) => 600,
            Self::Indicator(it) => it.weight(),
            Self::Procedure(it) => {
                let it = &it.procedure;
                1_000 + 500 * it.cases.len() + 200 * it.aliases.len()
            }
            Self::Dossier(it) => it.weight(),
        }
    }
}

/// The kinds of things, in the order in which a revision's changes are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Units.
    Units,
    /// Definitions of indicators.
    Definitions,
    /// Procedures.
    Procedures,
    /// Observations.
    Observations,
    /// Targets.
    Targets,
    /// Dossiers.
    Dossiers,
}

impl Stage {
    /// All stages, in order.
    pub const ALL: [Self; 6] = [
        Self::Units,
        Self::Definitions,
        Self::Procedures,
        Self::Observations,
        Self::Targets,
        Self::Dossiers,
    ];

    /// The next stage.
    pub fn next(self) -> Option<Self> {
        Self::ALL.into_iter().find(|it| *it > self)
    }

    /// The reference data that a revision touched when it made things of this stage.
    pub fn touched(self) -> TouchedSet {
        match self {
            Self::Units => TouchedSet::UNITS,
            Self::Definitions => TouchedSet::INDICATORS,
            Self::Procedures => TouchedSet::PROCEDURES,
            Self::Observations => TouchedSet::OBSERVATIONS,
            Self::Targets => TouchedSet::TARGETS,
            Self::Dossiers => TouchedSet::DOSSIERS,
        }
    }
}

/// The effect of a change on one watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happened {
    /// It is part of the state at the beginning.
    State,
    /// It stands from now on.
    Set,
    /// It was withdrawn, or no longer matches.
    Left,
}

/// A change, for one watch.
#[derive(Clone, Debug)]
pub enum Change {
    /// A version of a thing.
    Thing(Happened, Thing),
    /// Access, at the revision that the watch had reached: gained or lost.
    Access(i64, SharedPart, bool),
}

/// The data whose access changed.
#[derive(Clone, Debug)]
pub enum SharedPart {
    /// An indicator.
    Indicator(indicator::Code),
    /// Dossiers.
    Dossiers,
    /// The personal data of dossiers.
    PersonalData,
    /// Some of the units or procedures.
    Scope,
}

/// Why a watch must start over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resync {
    /// The retention floor has passed its position.
    Compacted,
    /// A backup was restored.
    Restored,
}

/// A message of a watch.
#[derive(Debug)]
pub enum Message {
    /// Changes, with their names, their revision, and a token where one may stand.
    Changes {
        /// The changes.
        changes: Vec<Change>,
        /// The names that they refer to.
        names: Arc<watch::ChangeNames>,
        /// The caller of the watch.
        caller: Arc<Caller>,
        /// Every match up to here was sent.
        through: Option<Revision>,
        /// The token that resumes after them.
        token: String,
    },
    /// Nothing more matches up to a revision.
    Bookmark {
        /// Here.
        through: Revision,
        /// The token that resumes after it.
        token: String,
        /// The newest checkpoint of the audit log.
        checkpoint: Arc<str>,
    },
    /// Start over.
    Resync {
        /// Why.
        reason: Resync,
        /// The oldest revision that is kept.
        floor: i64,
        /// The token that starts over with the state.
        token: String,
    },
}

/// A parsed request to acknowledge.
#[derive(Debug)]
pub struct Acknowledge {
    /// Its name.
    pub consumer: String,
    /// The token of the last message that it applied.
    pub token: String,
}

/// A parsed request to list consumers.
#[derive(Debug)]
pub struct ListConsumers {
    /// The page.
    pub page: Page,
}
