//! Parsed requests about indicators.
use super::{Breakdown, Code, Geography, RollUpOf};
use crate::{
    caller::{Pattern, SystemCode},
    page::Page,
    period::Period,
    revision::Consistency,
    slug::Slug,
    time::{Day, Span},
    unit::{self, Level},
};

/// A parsed request for one definition.
#[derive(Debug)]
pub struct Get {
    /// Its code.
    pub code: Code,
    /// What the read must have seen.
    pub consistency: Consistency,
}

/// A parsed request for definitions.
#[derive(Debug)]
pub struct List {
    /// A prefix of their codes.
    pub code_prefix: String,
    /// Of this group.
    pub group: Option<Slug>,
    /// With each of these words, folded.
    pub words: Vec<String>,
    /// These codes; all when empty.
    pub codes: Vec<Code>,
    /// The page.
    pub page: Page,
    /// What the read must have seen.
    pub consistency: Consistency,
}

/// Units of a level below a unit, and indicators by patterns or groups.
#[derive(Debug)]
pub struct CellSelection {
    /// Units below this one.
    pub below: unit::Ref,
    /// Of this level.
    pub level: Level,
    /// Indicators by codes, prefixes or `*`.
    pub patterns: Vec<Pattern>,
    /// Indicators of these groups.
    pub groups: Vec<Slug>,
}

/// The cells of a snapshot.
#[derive(Debug)]
pub enum WantedCells {
    /// These units x these indicators, all of them.
    Named {
        /// The units.
        units: Vec<unit::Ref>,
        /// The indicators.
        indicators: Vec<Code>,
    },
    /// A page of a selection.
    Selected(CellSelection, Page),
}

/// A parsed request for groups.
#[derive(Debug)]
pub struct ListGroups {
    /// The page.
    pub page: Page,
    /// What the read must have seen.
    pub consistency: Consistency,
}

/// A parsed request for code lists.
#[derive(Debug)]
pub struct ListCodes {
    /// The lists with these codes; all when empty.
    pub codes: Vec<String>,
    /// What the read must have seen.
    pub consistency: Consistency,
}

/// A parsed request for the latest values of units x indicators.
#[derive(Debug)]
pub struct Snapshot {
    /// The cells.
    pub wanted: WantedCells,
    /// Only this period.
    pub period: Option<Period>,
    /// The day on which the dashboard stands.
    pub date: Day,
    /// The breakdown; the total when empty.
    pub breakdown: Breakdown,
    /// Also what other sources contributed.
    pub all_sources: bool,
    /// What the read must have seen.
    pub consistency: Consistency,
}

/// A filter of observations.
#[derive(Debug)]
pub struct Filter {
    /// The indicators; all when empty.
    pub indicators: Vec<Code>,
    /// The units; all when empty.
    pub units: Vec<unit::Ref>,
    /// Also the units below them.
    pub with_descendants: bool,
    /// Periods whose last day is this one or a later one.
    pub ends_from: Option<Day>,
    /// Periods whose last day lies before this one.
    pub ends_before: Option<Day>,
    /// Only this period.
    pub period: Option<Period>,
    /// Which breakdowns.
    pub breakdowns: BreakdownFilter,
    /// Also those that other sources contributed.
    pub all_sources: bool,
}

/// A filter of breakdowns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BreakdownFilter {
    /// Those that hold these categories.
    pub categories: Breakdown,
    /// Those that hold nothing else.
    pub exact: bool,
}

impl BreakdownFilter {
    /// Whether a breakdown matches.
    pub fn is_for(&self, breakdown: &Breakdown) -> bool {
        match self.exact {
            true => self.categories == *breakdown,
            false => self.categories.0.iter().all(|(dimension, category)| {
                breakdown.0.get(dimension).is_some_and(|it| it == category)
            }),
        }
    }

    /// Whether every breakdown matches.
    pub fn is_any(&self) -> bool {
        !self.exact && self.categories.0.is_empty()
    }
}

/// A parsed request for a page of observations.
#[derive(Debug)]
pub struct Query {
    /// Which.
    pub filter: Filter,
    /// The page.
    pub page: Page,
    /// What the read must have seen.
    pub consistency: Consistency,
}

/// A parsed request for an export.
#[derive(Debug)]
pub struct Export {
    /// Which.
    pub filter: Filter,
    /// What the read must have seen.
    pub consistency: Consistency,
}

/// A parsed request for targets.
#[derive(Debug)]
pub struct QueryTargets {
    /// The indicators; all when empty.
    pub indicators: Vec<Code>,
    /// The units; all when empty.
    pub units: Vec<unit::Ref>,
    /// Which breakdowns.
    pub breakdowns: BreakdownFilter,
    /// The page.
    pub page: Page,
    /// What the read must have seen.
    pub consistency: Consistency,
}

/// A parsed request for a roll-up.
#[derive(Debug)]
pub struct RollUp {
    /// The indicator.
    pub indicator: Code,
    /// The unit.
    pub unit: unit::Ref,
    /// The periods.
    pub periods: Vec<Period>,
    /// The geography.
    pub geography: Geography,
    /// The breakdown; the total when empty.
    pub breakdown: Breakdown,
    /// Whose values.
    pub of: RollUpOf,
    /// What the read must have seen.
    pub consistency: Consistency,
}

/// A parsed request for a ranking.
#[derive(Debug)]
pub struct Rank {
    /// The indicator.
    pub indicator: Code,
    /// The period.
    pub period: Period,
    /// Units below this one.
    pub below: Option<unit::Ref>,
    /// Of this level.
    pub level: Level,
    /// By their roll-ups.
    pub rolled_up: bool,
    /// The breakdown; the total when empty.
    pub breakdown: Breakdown,
    /// What the read must have seen.
    pub consistency: Consistency,
}

/// A parsed request for the versions of one observation.
#[derive(Debug)]
pub struct ListRevisions {
    /// The indicator.
    pub indicator: Code,
    /// The unit.
    pub unit: unit::Ref,
    /// The period.
    pub period: Period,
    /// The breakdown.
    pub breakdown: Breakdown,
    /// Also the versions that other sources contributed.
    pub all_sources: bool,
    /// The page.
    pub page: Page,
    /// What the read must have seen.
    pub consistency: Consistency,
}

/// A parsed request for sources.
#[derive(Debug)]
pub struct ListSources {
    /// The page.
    pub page: Page,
    /// What the read must have seen.
    pub consistency: Consistency,
}

/// A parsed request for rejected items.
#[derive(Debug)]
pub struct ListRejections {
    /// The source; the caller itself when none.
    pub source: Option<SystemCode>,
    /// The page.
    pub page: Page,
}

/// A parsed request for availability.
#[derive(Debug)]
pub struct Availability {
    /// The indicators.
    pub indicators: Vec<Code>,
    /// The units.
    pub units: Vec<unit::Ref>,
    /// Periods that lie in these days.
    pub span: Span,
    /// The breakdown; the total when empty.
    pub breakdown: Breakdown,
    /// What the read must have seen.
    pub consistency: Consistency,
}
