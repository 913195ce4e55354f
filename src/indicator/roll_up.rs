//! Adds values up over units and over time.
mod cover;

use std::collections::HashMap;

use self::cover::Cover;
use super::{Geography, Meaning, Qualifier, Reading, TimeRule, UnitRule};
use crate::{
    db_enum::db_enum,
    decimal::Decimal,
    error::{Error, Reason, Result},
    period::Period,
    time::Day,
    unit::forest::{Forest, spell},
};

/// The readings that a roll-up may use, without breakdown: by period and unit.
pub type Readings = HashMap<(Period, i64), Reading>;

db_enum! {
    /// Why a unit's value is not in a roll-up.
    pub enum LeftOutReason {
        /// It did not report.
        NotReported = 1,
        /// It reported, without a value.
        NoValue = 2,
        /// Its ratio has no components.
        NoComponents = 3,
        /// It was divided, and no source says what share went where.
        SplitWithoutWeight = 4,
        /// It lies partly elsewhere, and nothing below it reported.
        SpansTarget = 5,
    }
}

/// A unit whose value is not in a roll-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// The unit.
    pub unit_id: i64,
    /// Why.
    pub reason: LeftOutReason,
    /// The part of the period it is missing from; none when it is the period itself.
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
}

/// A computed sum for one period.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// The sum, with a value; none when nothing could be added.
    pub reading: Option<Reading>,
    /// What it covers.
    pub coverage: Coverage,
    /// Whether the values in it were published under different versions of the definition.
    pub definition_changed: bool,
}

/// What is asked: into which unit, in which tree.
#[derive(Clone, Copy, Debug)]
pub struct Region<'a> {
    /// The units.
    pub forest: &'a Forest,
    /// What the indicator means.
    pub meaning: &'a Meaning,
    /// The unit asked for.
    pub unit_id: i64,
    /// Into which tree values are added up.
    pub geography: Geography,
}

/// The periods whose readings must be at hand: the period itself, then its parts by the frequency (if it is longer).
pub fn periods_needed(meaning: &Meaning, period: Period) -> Vec<Period> {
    let mut needed = vec![period];
    needed.extend(parts(meaning, period));
    needed
}

/// Adds up what the units below the unit asked for reported for a period.
pub fn roll_up(region: &Region<'_>, period: Period, readings: &Readings) -> Result<Sum> {
    let meaning = region.meaning;
    let Some(how) = How::over_units(meaning.unit_rule) else {
        return Err(not_aggregable("the indicator has no rule over units"));
    };
    let last_day = meaning.range(period).to;
    region.stand(last_day)?;
    let cover = Cover::new(region, how, last_day);
    let parts = parts(meaning, period);
    if parts.is_empty() || cover.speaks(period, readings) {
        return Ok(cover.sum(period, readings));
    }
    let over_time = How::over_time(meaning, parts.len())?;
    let of_part = |part: Period| {
        let day = meaning.range(part).to;
        if region.stand(day).is_err() {
            return Sum::default();
        }
        Cover::new(region, how, day).sum(part, readings)
    };
    let sums = parts.into_iter().map(|part| (part, of_part(part))).collect();
    Ok(over_parts(region, over_time, sums))
}

impl Region<'_> {
    /// Refuses a unit that is not valid at the date of the geography; `last_day` is that of the period.
    fn stand(&self, last_day: Day) -> Result<()> {
        let Self { forest, meaning: _, unit_id, geography } = *self;
        let date = match geography {
            Geography::AsReported => last_day,
            Geography::AsOf(date) => date,
        };
        let Some(unit) = forest.get(unit_id) else {
            return Err(Error::not_found("unit", unit_id).at("unit"));
        };
        if unit.span.contains(date) {
            return Ok(());
        }
        let rule = format!("be valid on {date}; {} is so {}", unit.name, spell(unit.span));
        Err(Error::field("unit", rule))
    }
}

/// The parts of a period by the frequency; none when it is not longer.
fn parts(meaning: &Meaning, period: Period) -> Vec<Period> {
    let report_15_14 = meaning.calendar == super::Calendar::Report1514;
    period.parts(meaning.frequency.kind(), report_15_14).unwrap_or_default()
}

fn not_aggregable(message: &str) -> Error {
    Error::new(Reason::NotAggregable, message)
}

// === how values are combined ===

/// How values are combined, over units or over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Sum,
    Ratio,
    Mean,
    Max,
    Min,
    Last,
}

impl How {
    fn over_units(rule: UnitRule) -> Option<Self> {
        match rule {
            UnitRule::Sum => Some(Self::Sum),
            UnitRule::Ratio => Some(Self::Ratio),
            UnitRule::Mean => Some(Self::Mean),
            UnitRule::Max => Some(Self::Max),
            UnitRule::Min => Some(Self::Min),
            UnitRule::None => None,
        }
    }

    fn over_time(meaning: &Meaning, parts: usize) -> Result<Self> {
        match meaning.time_rule {
            // A lone part is the period by another name.
            _ if parts == 1 => Ok(Self::Last),
            TimeRule::Sum => Ok(Self::Sum),
            TimeRule::Last => Ok(Self::Last),
            TimeRule::Mean => Ok(Self::Mean),
            TimeRule::Ratio if meaning.unit_rule == UnitRule::Ratio => Ok(Self::Ratio),
            TimeRule::Ratio => {
                Err(not_aggregable("the rule over units leaves no components to add over time"))
            }
            TimeRule::None => Err(not_aggregable("the indicator has no rule over time")),
        }
    }

    /// Combines readings that have values; None when there are none, or the denominators add up to 0.
    fn combine(self, meaning: &Meaning, readings: &[Reading]) -> Option<Reading> {
        let values = || readings.iter().filter_map(|it| it.value.as_ref());
        let (mut numerator, mut denominator) = (None, None);
        let value = match self {
            Self::Sum => Decimal::sum(values()),
            Self::Mean => {
                let count = i64::try_from(readings.len()).ok()?;
                Decimal::sum(values()).div(&Decimal::from_int(count))?
            }
            Self::Max => values().max()?.clone(),
            Self::Min => values().min()?.clone(),
            Self::Last => return readings.last().cloned(),
            Self::Ratio => {
                let above = Decimal::sum(readings.iter().filter_map(|it| it.numerator.as_ref()));
                let below = Decimal::sum(readings.iter().filter_map(|it| it.denominator.as_ref()));
                let value = above.mul(&scale(meaning)).div(&below)?;
                (numerator, denominator) = (Some(above), Some(below));
                value
            }
        };
        Some(Reading {
            value: Some(value),
            numerator,
            denominator,
            qualifier: readings.iter().map(|it| it.qualifier).reduce(weaker)?,
            status: readings.iter().map(|it| it.status).min()?,
            definition_version: readings.iter().map(|it| it.definition_version).max()?,
        })
    }
}

/// What a quotient is multiplied with.
fn scale(meaning: &Meaning) -> Decimal {
    meaning.scale.clone().unwrap_or_else(|| Decimal::from_int(1))
}

/// The weaker of two claims; bounds that point opposite ways leave only "about".
pub fn weaker(one: Qualifier, two: Qualifier) -> Qualifier {
    use Qualifier::{About, AtLeast, AtMost, Exact, LessThan, MoreThan};
    match (one, two) {
        (Exact, other) | (other, Exact) => other,
        (MoreThan, MoreThan) => MoreThan,
        (LessThan, LessThan) => LessThan,
        (MoreThan | AtLeast, MoreThan | AtLeast) => AtLeast,
        (LessThan | AtMost, LessThan | AtMost) => AtMost,
        (About | MoreThan | AtLeast | LessThan | AtMost, About)
        | (About, MoreThan | AtLeast | LessThan | AtMost)
        | (MoreThan | AtLeast, LessThan | AtMost)
        | (LessThan | AtMost, MoreThan | AtLeast) => About,
    }
}

fn versions_differ(readings: &[Reading]) -> bool {
    readings.windows(2).any(|pair| match pair {
        [one, two] => one.definition_version != two.definition_version,
        _ => false,
    })
}

/// Combines the sums of a period's parts.
fn over_parts(region: &Region<'_>, how: How, sums: Vec<(Period, Sum)>) -> Sum {
    let mut total = Sum::default();
    let mut complete = true;
    let mut readings = Vec::new();
    let mut changed = false;
    for (part, sum) in sums {
        let Sum { reading, coverage, definition_changed } = sum;
        let Coverage { complete: whole, expected, reported, mut left_out } = coverage;
        complete &= whole && reading.is_some();
        if reading.is_none() && left_out.is_empty() {
            // Nothing was expected: the unit did not stand then, or has nothing below it.
            let (unit_id, reason) = (region.unit_id, LeftOutReason::NotReported);
            left_out.push(LeftOut { unit_id, reason, period: None });
        }
        let left_out = left_out.into_iter().map(|it| LeftOut { period: Some(part), ..it });
        total.coverage.left_out.extend(left_out);
        (total.coverage.expected, total.coverage.reported) = (expected, reported);
        if reading.is_some() {
            changed = definition_changed || (changed && how != How::Last);
        }
        readings.extend(reading);
    }
    // The sort is stable: of one unit, the parts stay in order.
    total.coverage.left_out.sort_by_key(|it| it.unit_id);
    total.coverage.complete = complete;
    total.definition_changed = changed || (how != How::Last && versions_differ(&readings));
    total.reading = how.combine(region.meaning, &readings);
    total
}
