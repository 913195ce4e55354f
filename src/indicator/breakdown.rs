//! Resolves a breakdown to the reported figure, the total of its parts, or the missing parts.
use std::collections::{BTreeMap, BTreeSet};

use super::{
    Breakdown, Kind, Meaning, Qualifier, Reading, Status,
    dimension::{Dimension, DimensionRule},
    roll_up::weaker,
};
use crate::{decimal::Decimal, time::Day};

/// The resolution of one breakdown of one unit and period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolved {
    /// It was reported as such.
    Reported {
        /// Whether its parts contradict it.
        inconsistent: bool,
    },
    /// Its parts were reported, and make it up.
    Computed {
        /// Their total.
        reading: Reading,
        /// How many categories make it.
        parts: usize,
        /// Whether two dimensions make different totals, or a part contradicts its own parts.
        inconsistent: bool,
    },
    /// Some parts were reported, but not enough to make it up.
    Partial {
        /// The missing breakdowns, where they are known.
        lacking: Vec<Breakdown>,
    },
    /// Nothing was reported.
    Nothing,
}

/// The readings of one unit and period, by breakdown.
pub type Reported<'a> = BTreeMap<&'a Breakdown, &'a Reading>;

/// Resolves the breakdown that is wanted; `day` is the last one of the period.
pub fn resolve(
    meaning: &Meaning,
    day: Day,
    wanted: &Breakdown,
    reported: &Reported<'_>,
) -> Resolved {
    let open = || {
        let free = |it: &&Dimension| !wanted.0.contains_key(&it.code);
        meaning.dimensions.all().iter().filter(free)
    };
    let has_part = |dimension: &Dimension| {
        let inside = |it: &&&Breakdown| {
            it.0.contains_key(&dimension.code)
                && wanted.0.iter().all(|(key, category)| it.0.get(key) == Some(category))
        };
        reported.keys().any(|it| inside(&it))
    };
    let mut totals = Vec::new();
    let mut lacking: Option<Vec<Breakdown>> = None;
    let mut inconsistent = false;
    for dimension in open().filter(|it| has_part(it)) {
        match total(meaning, day, wanted, dimension, reported) {
            Ok((reading, parts, contradicts)) => {
                inconsistent |= contradicts;
                totals.push((reading, parts));
            }
            Err(missing) => {
                let fewer =
                    lacking.as_ref().is_none_or(|it| it.is_empty() || missing.len() < it.len());
                if fewer && (lacking.is_none() || !missing.is_empty()) {
                    lacking = Some(missing);
                }
            }
        }
    }
    if let Some(reading) = reported.get(wanted) {
        let contradicted = totals.iter().any(|(it, _)| contradict(meaning, reading, it));
        return Resolved::Reported { inconsistent: inconsistent || contradicted };
    }
    let mut totals = totals.into_iter();
    if let Some((reading, parts)) = totals.next() {
        inconsistent |= totals.any(|(it, _)| contradict(meaning, &reading, &it));
        return Resolved::Computed { reading, parts, inconsistent };
    }
    lacking.map_or(Resolved::Nothing, |lacking| Resolved::Partial { lacking })
}

/// Totals the categories of a dimension. Returns the total, the number of categories, and whether one contradicts its
/// own parts; or the missing ones.
fn total(
    meaning: &Meaning,
    day: Day,
    wanted: &Breakdown,
    dimension: &Dimension,
    reported: &Reported<'_>,
) -> Result<(Reading, usize, bool), Vec<Breakdown>> {
    if !dimension.makes_total() {
        return Err(Vec::new());
    }
    let (mut readings, mut lacking, mut inconsistent) = (Vec::new(), Vec::new(), false);
    for category in dimension.categories_on(day) {
        let mut part = wanted.clone();
        part.0.insert(dimension.code.clone(), category.code.clone());
        let reading = match resolve(meaning, day, &part, reported) {
            Resolved::Reported { inconsistent: contradicts } => {
                inconsistent |= contradicts;
                reported.get(&part).map(|it| (*it).clone())
            }
            Resolved::Computed { reading, parts: _, inconsistent: contradicts } => {
                inconsistent |= contradicts;
                Some(reading)
            }
            Resolved::Partial { .. } | Resolved::Nothing => None,
        };
        match reading {
            // A category that does not apply adds nothing, and is not missing.
            Some(it) if it.status == Status::NotApplicable => {}
            Some(it) if adds(meaning, dimension.rule, &it) => readings.push(it),
            Some(_) | None => lacking.push(part),
        }
    }
    let parts = readings.len();
    match combine(meaning, dimension.rule, &readings) {
        Some(reading) if lacking.is_empty() => Ok((reading, parts, inconsistent)),
        _ => Err(lacking),
    }
}

/// Whether a reading can be added up by a rule.
fn adds(meaning: &Meaning, rule: DimensionRule, reading: &Reading) -> bool {
    reading.status.has_value()
        && match rule {
            DimensionRule::Sum => reading.effective(meaning.scale.as_ref()).is_some(),
            DimensionRule::Ratio => reading.numerator.is_some() && reading.denominator.is_some(),
            DimensionRule::None => false,
        }
}

fn combine(meaning: &Meaning, rule: DimensionRule, readings: &[Reading]) -> Option<Reading> {
    let sum = |of: fn(&Reading) -> Option<&Decimal>| Decimal::sum(readings.iter().filter_map(of));
    let (value, numerator, denominator) = match rule {
        DimensionRule::None => return None,
        DimensionRule::Sum => {
            let values: Vec<_> =
                readings.iter().filter_map(|it| it.effective(meaning.scale.as_ref())).collect();
            (Some(Decimal::sum(&values)), None, None)
        }
        DimensionRule::Ratio => {
            let denominator = sum(|it| it.denominator.as_ref());
            if denominator.is_zero() {
                return None;
            }
            (None, Some(sum(|it| it.numerator.as_ref())), Some(denominator))
        }
    };
    Some(Reading {
        value,
        numerator,
        denominator,
        qualifier: readings.iter().map(|it| it.qualifier).reduce(weaker)?,
        status: readings.iter().map(|it| it.status).min()?,
        definition_version: readings.iter().map(|it| it.definition_version).max()?,
    })
}

/// Whether a reported total contradicts the total of its parts.
fn contradict(meaning: &Meaning, reported: &Reading, computed: &Reading) -> bool {
    let scale = meaning.scale.as_ref();
    let known = (reported.effective(scale), computed.effective(scale));
    let (Some(reported_value), Some(value)) = known else { return false };
    let (exact, bound) = match (reported.qualifier, computed.qualifier) {
        (Qualifier::About, _) | (_, Qualifier::About) => return false,
        (Qualifier::Exact, Qualifier::Exact) => (true, Qualifier::Exact),
        (Qualifier::Exact, bound) => (false, bound),
        // A bound on the total: the total of the parts lies on the wrong side of it.
        (bound, Qualifier::Exact) => {
            return match bound {
                Qualifier::MoreThan => value <= reported_value,
                Qualifier::AtLeast => value < reported_value,
                Qualifier::LessThan => value >= reported_value,
                Qualifier::AtMost => value > reported_value,
                Qualifier::Exact | Qualifier::About => false,
            };
        }
        (_, _) => return false,
    };
    if exact {
        return match meaning.kind {
            Kind::Ratio => !reported_value.is_rounding_of(&value),
            Kind::Count | Kind::Amount | Kind::Score => reported_value != value,
        };
    }
    match bound {
        Qualifier::MoreThan => reported_value <= value,
        Qualifier::AtLeast => reported_value < value,
        Qualifier::LessThan => reported_value >= value,
        Qualifier::AtMost => reported_value > value,
        Qualifier::Exact | Qualifier::About => false,
    }
}

/// The rows that report a breakdown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presence {
    /// These: its own, or all of its parts.
    Whole(Vec<Breakdown>),
    /// Some of its parts; these are missing, where they are known.
    Partial(Vec<Breakdown>),
    /// None.
    Nothing,
}

/// Finds the rows that report a breakdown, with or without a value; `day` is the last one of the period.
pub fn presence(
    meaning: &Meaning,
    day: Day,
    wanted: &Breakdown,
    present: &BTreeSet<Breakdown>,
) -> Presence {
    if present.contains(wanted) {
        return Presence::Whole(vec![wanted.clone()]);
    }
    let mut partial: Option<Vec<Breakdown>> = None;
    for dimension in meaning.dimensions.all() {
        if wanted.0.contains_key(&dimension.code) {
            continue;
        }
        let (mut parts, mut lacking, mut heard) = (Vec::new(), Vec::new(), false);
        for category in dimension.categories_on(day) {
            let mut part = wanted.clone();
            part.0.insert(dimension.code.clone(), category.code.clone());
            match presence(meaning, day, &part, present) {
                Presence::Whole(by) => {
                    heard = true;
                    parts.extend(by);
                }
                Presence::Partial(missing) => {
                    heard = true;
                    lacking.extend(missing);
                }
                Presence::Nothing => lacking.push(part),
            }
        }
        if heard && dimension.exhaustive && lacking.is_empty() {
            return Presence::Whole(parts);
        }
        if heard {
            let lacking = if dimension.exhaustive { lacking } else { Vec::new() };
            partial.get_or_insert(lacking);
        }
    }
    partial.map_or(Presence::Nothing, Presence::Partial)
}
