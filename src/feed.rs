//! The change feed: what changed, in order, for systems that keep a copy.
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

/// Asks for changes.
#[derive(Debug)]
pub struct Watch {
    /// What to follow.
    pub filters: Vec<Filter>,
    /// A hash of the filters: a token is good for the filters it came with.
    pub question: [u8; 32],
    /// Where to start.
    pub from: From,
    /// At least one message in so much time.
    pub bookmark: Duration,
}

/// Where a watch starts.
#[derive(Debug)]
pub enum From {
    /// After the newest revision.
    Now,
    /// With the state.
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
    /// What of them.
    pub parts: BTreeSet<Part>,
    /// Only these breakdowns.
    pub breakdowns: BreakdownFilter,
}

/// What of an indicator is followed.
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

/// What a revision made.
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

    /// Why it was withdrawn. Of dossiers it is not told: it may speak of a person.
    pub fn withdrawal_reason(&self) -> Option<&str> {
        match self {
            Self::Unit(_) | Self::Dossier(_) => None,
            Self::Indicator(it) => it.withdrawal_reason(),
            Self::Procedure(it) => it.withdrawal_reason.as_deref(),
        }
    }

    /// About how many bytes it takes on the wire.
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

/// The kinds of things, in the order in which one revision's are sent.
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
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Units,
        Self::Definitions,
        Self::Procedures,
        Self::Observations,
        Self::Targets,
        Self::Dossiers,
    ];

    /// The one after.
    pub fn next(self) -> Option<Self> {
        Self::ALL.into_iter().find(|it| *it > self)
    }

    /// What a revision touched that made things of it.
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

/// What happened to a thing, for one watch.
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
    /// Of a thing.
    Thing(Happened, Thing),
    /// Of what is shared, at the revision that the watch had come to: gained, or else lost.
    Access(i64, SharedPart, bool),
}

/// Something that is shared or not.
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

/// Why a watch cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resync {
    /// The floor has passed it.
    Compacted,
    /// A backup was restored.
    Restored,
}

/// What a watch sends.
#[derive(Debug)]
pub enum Message {
    /// Changes; the names to name them with; how far they go, and the token after them, where a token may stand.
    Changes {
        /// The changes.
        changes: Vec<Change>,
        /// Names for what they speak of.
        names: Arc<watch::ChangeNames>,
        /// Who they are for.
        caller: Arc<Caller>,
        /// Every match up to here was sent.
        through: Option<Revision>,
        /// Goes on after them.
        token: String,
    },
    /// Nothing more up to here.
    Bookmark {
        /// Here.
        through: Revision,
        /// Goes on after it.
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
        /// Begins with the state.
        token: String,
    },
}

/// Says how far a consumer has come.
#[derive(Debug)]
pub struct Acknowledge {
    /// Its name.
    pub consumer: String,
    /// The token of what it took up last.
    pub token: String,
}

/// Asks how far consumers have come.
#[derive(Debug)]
pub struct ListConsumers {
    /// The page.
    pub page: Page,
}
