//! Adds values up over units and over time.
//!
//! Time comes first: each unit answers for the period (`told.rs`), by its own report or from its own parts. Then the
//! cover takes the topmost units with a value, and no unit twice (`cover.rs`). Units that closed inside the period
//! speak for the time until then, and add to their successors (`closed.rs`, `groups.rs`). The rule over units combines
//! the values as exact fractions, rounded once (`amount.rs`). Expected units that are not in the sum are named
//! (`coverage.rs`).
mod amount;
mod closed;
mod cover;
mod coverage;
mod extreme;
mod groups;
mod plan;
mod told;

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
};

pub use self::{amount::weaker, closed::Closings, plan::periods_needed};
use self::{
    amount::{Amount, How, not_aggregable},
    cover::Cover,
    plan::Plan,
    told::{UnitAnswer, UnitQuestion},
};
use super::{Geography, Meaning, Reading};
use crate::{
    db_enum::db_enum,
    decimal::Decimal,
    error::{Error, Result},
    fraction::Fraction,
    period::Period,
    time::Day,
    unit::forest::{Forest, spell},
};

/// A unit's report for a period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// A reading of the breakdown asked for.
    Whole(Reading),
    /// Only some of the parts that would make it up.
    Partial,
}

impl From<Reading> for Said {
    fn from(it: Reading) -> Self {
        Self::Whole(it)
    }
}

/// Reports by period and unit.
pub type Readings = HashMap<(Period, i64), Said>;

/// Weights of units in a mean; a unit without one is absent.
pub type Weights = HashMap<i64, Fraction>;

db_enum! {
    /// Why a unit's value is not in a roll-up.
    pub enum LeftOutReason {
        /// It stood in the period, and sent nothing for it.
        NotReported = 1,
        /// It reported, without a value.
        NoValue = 2,
        /// Its ratio has no components.
        NoComponents = 3,
        /// It was divided, and no source says what share went where.
        SplitWithoutWeight = 4,
        /// It lies partly elsewhere, and nothing below it reported.
        SpansTarget = 5,
        /// It closed inside the period, and its value says nothing of the end.
        ClosedBeforeEnd = 6,
        /// It did not stand then.
        UnitNotValid = 7,
        /// The caller may not read it.
        NotShared = 8,
        /// Only some of the parts that would make it up were reported.
        Partial = 9,
        /// It has no weight.
        NoWeight = 10,
        /// It is the unit asked for.
        Itself = 11,
    }
}

impl LeftOutReason {
    /// Whether the unit did report a value.
    fn has_value(self) -> bool {
        match self {
            Self::NoComponents
            | Self::SplitWithoutWeight
            | Self::SpansTarget
            | Self::ClosedBeforeEnd
            | Self::Partial
            | Self::NoWeight
            | Self::Itself => true,
            Self::NotReported | Self::NoValue | Self::UnitNotValid | Self::NotShared => false,
        }
    }
}

/// A unit whose value is not in a roll-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// The unit.
    pub unit_id: i64,
    /// Why.
    pub reason: LeftOutReason,
    /// The part of the period it is missing from; none when it is the whole period.
    pub period: Option<Period>,
}

/// What a roll-up covers, counted in units of the collection level.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Whether every expected unit is in it, and nothing was left out.
    pub complete: bool,
    /// Units expected in the region.
    pub expected: usize,
    /// Those of them that are in the sum, by themselves or by a unit above them.
    pub reported: usize,
    /// Every unit that is not, by its id.
    pub left_out: Vec<LeftOut>,
    /// How much of the weight of the expected units reported; none without weights.
    pub weight_share: Option<Decimal>,
}

/// A computed sum for one period.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// The sum, with a value; none when nothing could be added.
    pub reading: Option<Reading>,
    /// Its value before it was rounded.
    pub exact: Option<Fraction>,
    /// What it covers.
    pub coverage: Coverage,
    /// Whether the values in it were published under different versions of the definition.
    pub definition_changed: bool,
}

impl Sum {
    fn of(amount: Option<&Amount>, coverage: Coverage) -> Self {
        Self {
            reading: amount.map(Amount::rounded),
            exact: amount.map(|it| it.value.clone()),
            coverage,
            definition_changed: amount.is_some_and(|it| it.definition_changed),
        }
    }
}

/// Whether the caller may read a unit's value of a period that ends on a day.
pub type IsShared<'a> = &'a (dyn Fn(i64, Day) -> bool + Sync);

/// The region of a roll-up: the unit, the tree, the rights.
#[derive(Clone, Copy)]
pub struct Region<'a> {
    /// The units.
    pub forest: &'a Forest,
    /// What the indicator means.
    pub meaning: &'a Meaning,
    /// The unit asked for.
    pub unit_id: i64,
    /// Into which tree values are added up.
    pub geography: Geography,
    /// The values that the caller may read.
    pub shared: IsShared<'a>,
    /// Weights of units, where means are weighted.
    pub weights: Option<&'a Weights>,
}

impl fmt::Debug for Region<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { forest: _, meaning: _, unit_id, geography, shared: _, weights: _ } = self;
        let mut shown = f.debug_struct("Region");
        shown.field("unit_id", unit_id).field("geography", geography).finish_non_exhaustive()
    }
}

/// Adds up what the units below the unit asked for reported for a period. `closings` are of the same period and
/// geography.
pub fn roll_up(
    region: &Region<'_>,
    period: Period,
    closings: &Closings,
    readings: &Readings,
) -> Result<Sum> {
    let meaning = region.meaning;
    let Some(how) = How::over_units(meaning.unit_rule) else {
        return Err(not_aggregable("the indicator has no rule over units"));
    };
    let plan = Plan::of(meaning, period, Some(how));
    region.must_stand(plan.range.to)?;
    let question = UnitQuestion { region, plan, readings, how: Some(how) };
    Cover::new(&question, how).sum(closings)
}

/// A unit's own value for a period: as it reported it, else from its own parts.
pub fn itself(region: &Region<'_>, period: Period, readings: &Readings) -> Result<Sum> {
    let plan = Plan::of(region.meaning, period, None);
    let unit = region.unit()?;
    if !unit.span.overlaps(plan.range) {
        let rule = format!("be valid in {period}; {} is so {}", unit.name, spell(unit.span));
        return Err(Error::field("unit", rule));
    }
    let question = UnitQuestion { region, plan, readings, how: None };
    let plan = &question.plan;
    let unit_id = unit.id;
    let left = |period, reason| LeftOut { unit_id, reason, period };
    let mut coverage = Coverage { expected: 1, ..Coverage::default() };
    let told = match question.ask(unit_id, unit.span) {
        UnitAnswer::Told(told) => {
            coverage.reported = 1;
            let missing: BTreeSet<_> = told.missing.iter().copied().collect();
            if told.by_parts {
                coverage.left_out.extend(plan.parts.iter().filter_map(|(part, days)| {
                    let missing = missing.iter().find(|(it, _)| it == part).map(|it| it.1);
                    let absent =
                        (!unit.span.overlaps(*days)).then_some(LeftOutReason::UnitNotValid);
                    Some(left(Some(*part), missing.or(absent)?))
                }));
            }
            Some(told.amount)
        }
        UnitAnswer::Refused(reason) => {
            coverage.left_out.push(left(None, reason));
            None
        }
        UnitAnswer::Silent => {
            if let Some(refusal) = &plan.loose {
                return Err(refusal.clone());
            }
            coverage.left_out.push(left(None, LeftOutReason::NotReported));
            None
        }
    };
    coverage.complete = coverage.left_out.is_empty();
    Ok(Sum::of(told.as_ref(), coverage))
}

impl Region<'_> {
    fn unit(&self) -> Result<&crate::unit::Unit> {
        let unit = self.forest.get(self.unit_id);
        unit.ok_or_else(|| Error::not_found("unit", self.unit_id).at("unit"))
    }

    /// Refuses a unit that is not valid at the date of the geography; `last_day` is that of the period.
    fn must_stand(&self, last_day: Day) -> Result<()> {
        let date = match self.geography {
            Geography::AsReported => last_day,
            Geography::AsOf(date) => date,
        };
        let unit = self.unit()?;
        if unit.span.contains(date) {
            return Ok(());
        }
        let rule = format!("be valid on {date}; {} is so {}", unit.name, spell(unit.span));
        Err(Error::field("unit", rule))
    }
}
