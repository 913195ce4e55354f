//! Adds values up over units and over time.
use std::collections::{HashMap, HashSet, hash_map::Entry};

use super::{Geography, Kind, Meaning, Qualifier, Reading, Status, TimeRule, UnitRule};
use crate::{
    db_enum::db_enum,
    decimal::Decimal,
    error::{Error, Reason, Result},
    period::Period,
    time::Day,
    unit::{
        Level, Transfer, Tree,
        forest::{Forest, spell},
    },
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
    let ground = Ground::new(region, how, last_day);
    let parts = parts(meaning, period);
    if parts.is_empty() || ground.speaks(period, readings) {
        return Ok(ground.sum(period, readings));
    }
    let over_time = How::over_time(meaning, parts.len())?;
    let of_part = |part: Period| {
        let day = meaning.range(part).to;
        if region.stand(day).is_err() {
            return Sum::default();
        }
        Ground::new(region, how, day).sum(part, readings)
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
fn weaker(one: Qualifier, two: Qualifier) -> Qualifier {
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

// === where units lie ===

/// Where a unit lies, seen from the unit asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Containment {
    Inside,
    Straddles,
    Outside,
}

impl Containment {
    /// Some of it is inside, some is not; None when there is nothing to judge by.
    fn of(inside: bool, outside: bool) -> Option<Self> {
        match (inside, outside) {
            (true, false) => Some(Self::Inside),
            (true, true) => Some(Self::Straddles),
            (false, true) => Some(Self::Outside),
            (false, false) => None,
        }
    }

    /// That of two territories together.
    fn with(self, other: Option<Self>) -> Self {
        if other.is_none_or(|it| it == self) { self } else { Self::Straddles }
    }
}

/// A unit of the tree in which a period is added up.
#[derive(Clone, Copy, Debug)]
struct Spot {
    id: i64,
    above: Option<i64>,
    /// Whether it stands for itself when history is restated; the others stand for what is below them.
    leaf: bool,
    place: Containment,
    /// Whether it is expected to report.
    expected: bool,
}

/// The tree on the last day of a period, from the top, and where its units lie.
struct Ground<'a> {
    region: &'a Region<'a>,
    how: How,
    day: Day,
    /// When history is restated: the unit asked for and those below it, at that date.
    target: Option<(Day, HashSet<i64>)>,
    spots: Vec<Spot>,
}

impl<'a> Ground<'a> {
    fn new(region: &'a Region<'a>, how: How, day: Day) -> Self {
        let Region { forest, meaning, unit_id, geography } = *region;
        let (tops, target) = match geography {
            Geography::AsReported => (forest.children(unit_id, meaning.tree, day), None),
            Geography::AsOf(date) => {
                let mut target = HashSet::from([unit_id]);
                target.extend(forest.descendants(unit_id, meaning.tree, date));
                (forest.roots(meaning.tree, day), Some((date, target)))
            }
        };
        let mut ground = Self { region, how, day, target, spots: Vec::new() };
        ground.survey(tops);
        ground.place();
        ground.expect();
        ground
    }

    /// Finds the units, each after the one above it.
    fn survey(&mut self, tops: Vec<i64>) {
        let Region { forest, meaning, unit_id: _, geography: _ } = *self.region;
        let mut above: HashMap<i64, Option<i64>> = tops.iter().map(|id| (*id, None)).collect();
        let mut next = tops;
        while let Some(id) = next.pop() {
            let children = forest.children(id, meaning.tree, self.day);
            let leaf = match meaning.tree {
                Tree::Territory => forest.get(id).is_some_and(|it| it.level == Level::Commune),
                Tree::Administration => children.is_empty(),
            };
            for child in children {
                if let Entry::Vacant(entry) = above.entry(child) {
                    entry.insert(Some(id));
                    next.push(child);
                }
            }
            let above = above.get(&id).copied().flatten();
            self.spots.push(Spot { id, above, leaf, place: Containment::Inside, expected: false });
        }
    }

    /// Finds where they lie, from below: a unit lies where the territory of every leaf below it went.
    fn place(&mut self) {
        if self.target.is_none() {
            return;
        }
        let mut spots = std::mem::take(&mut self.spots);
        let mut known: HashMap<i64, Containment> = HashMap::new();
        for spot in spots.iter_mut().rev() {
            let below = known.get(&spot.id).copied().filter(|_| !spot.leaf);
            // A leaf with nothing on record lies nowhere, and does not speak for the unit above it.
            let place = below.or_else(|| self.went(spot.id));
            spot.place = place.unwrap_or(Containment::Outside);
            if let (Some(place), Some(above)) = (place, spot.above) {
                let together = place.with(known.get(&above).copied());
                known.insert(above, together);
            }
        }
        self.spots = spots;
    }

    /// Where the territory of a unit went.
    fn went(&self, id: i64) -> Option<Containment> {
        let (date, target) = self.target.as_ref()?;
        let shares = self.region.forest.carry(id, self.day, *date);
        let inside = shares.iter().any(|it| target.contains(&it.unit_id));
        Containment::of(inside, shares.iter().any(|it| !target.contains(&it.unit_id)))
    }

    /// Finds who is expected to report. The unit asked for never enters its own sum; where it took others in and nothing
    /// is below it, its own part is therefore missing.
    fn expect(&mut self) {
        let Region { forest, meaning, unit_id, geography: _ } = *self.region;
        let mut own = None;
        let mut others = false;
        for spot in &mut self.spots {
            let collects =
                forest.get(spot.id).is_some_and(|it| it.level == meaning.collection_level);
            if !collects || spot.place == Containment::Outside {
                continue;
            }
            if spot.id == unit_id {
                own = spot.leaf.then_some(spot);
            } else {
                spot.expected = true;
                others = true;
            }
        }
        if let Some(own) = own {
            own.expected = others;
        }
    }

    /// Whether some unit has a value for exactly this period.
    fn speaks(&self, period: Period, readings: &Readings) -> bool {
        let mut spots = self.spots.iter().filter(|it| it.id != self.region.unit_id);
        spots.any(|spot| {
            let whole = match spot.place {
                Containment::Inside => true,
                Containment::Straddles => spot.leaf,
                Containment::Outside => false,
            };
            let reading = readings.get(&(period, spot.id)).filter(|_| whole);
            reading.is_some_and(|it| self.value(it).is_some())
        })
    }

    /// Adds up the topmost units that reported.
    fn sum(&self, period: Period, readings: &Readings) -> Sum {
        let mut used = Vec::new();
        // Units of the cover, and those below them.
        let mut covered = HashSet::new();
        let mut refused = HashMap::new();
        for spot in &self.spots {
            if spot.above.is_some_and(|it| covered.contains(&it)) {
                covered.insert(spot.id);
            } else if spot.place != Containment::Outside
                && spot.id != self.region.unit_id
                && let Some(reading) = readings.get(&(period, spot.id))
            {
                match self.take(spot, reading) {
                    Ok(reading) => {
                        used.push(reading);
                        covered.insert(spot.id);
                    }
                    Err(reason) => {
                        refused.insert(spot.id, reason);
                    }
                }
            }
        }
        Sum {
            reading: self.how.combine(self.region.meaning, &used),
            coverage: self.coverage(&covered, &refused),
            definition_changed: versions_differ(&used),
        }
    }

    /// Counts the expected units, and names what was left out.
    fn coverage(&self, covered: &HashSet<i64>, refused: &HashMap<i64, LeftOutReason>) -> Coverage {
        let mut coverage = Coverage::default();
        // Units below which there is: an expected one that is not covered, one of the cover, one with a value.
        let (mut open, mut used, mut heard) = (HashSet::new(), HashSet::new(), HashSet::new());
        for spot in self.spots.iter().rev() {
            let Spot { id, above, leaf: _, place: _, expected } = *spot;
            let is_covered = covered.contains(&id);
            let missing = expected && !is_covered;
            let is_open = missing || open.contains(&id);
            coverage.expected += usize::from(expected);
            coverage.reported += usize::from(expected && is_covered);
            let reason = refused.get(&id).copied();
            let named = match reason {
                None => missing.then_some(LeftOutReason::NotReported),
                Some(LeftOutReason::SpansTarget) => {
                    reason.filter(|_| missing || !heard.contains(&id))
                }
                Some(_) => reason.filter(|_| is_open || !used.contains(&id)),
            };
            if let Some(reason) = named {
                coverage.left_out.push(LeftOut { unit_id: id, reason, period: None });
            }
            let Some(above) = above else { continue };
            if is_open {
                open.insert(above);
            }
            if is_covered || used.contains(&id) {
                used.insert(above);
            }
            let valued = reason.is_some_and(|it| it != LeftOutReason::NoValue);
            if is_covered || valued || heard.contains(&id) {
                heard.insert(above);
            }
        }
        coverage.left_out.sort_by_key(|it| it.unit_id);
        coverage.complete = coverage.reported == coverage.expected && coverage.left_out.is_empty();
        coverage
    }

    /// What a unit's reading brings into the sum, or why it brings nothing.
    fn take(&self, spot: &Spot, reading: &Reading) -> Result<Reading, LeftOutReason> {
        let value = self.value(reading).ok_or(LeftOutReason::NoValue)?;
        match spot.place {
            Containment::Straddles if !spot.leaf => return Err(LeftOutReason::SpansTarget),
            Containment::Inside | Containment::Straddles | Containment::Outside => {}
        }
        let components = reading.numerator.is_some() && reading.denominator.is_some();
        if self.how == How::Ratio && !components {
            return Err(LeftOutReason::NoComponents);
        }
        let reading = Reading { value: Some(value), ..reading.clone() };
        if spot.place == Containment::Inside {
            return Ok(reading);
        }
        let weight = self.weight(spot.id).ok_or(LeftOutReason::SplitWithoutWeight)?;
        let part = |it: Option<Decimal>| it.map(|it| it.mul(&weight));
        Ok(Reading {
            value: part(reading.value),
            numerator: part(reading.numerator),
            denominator: part(reading.denominator),
            status: Status::Estimated,
            ..reading
        })
    }

    /// The value that counts, where there is one.
    fn value(&self, reading: &Reading) -> Option<Decimal> {
        if !reading.status.has_value() {
            return None;
        }
        match self.region.meaning.kind {
            Kind::Ratio => reading.effective(Some(&scale(self.region.meaning))),
            Kind::Count | Kind::Amount | Kind::Score => reading.value.clone(),
        }
    }

    /// The sourced share of a divided unit that is inside, where the rule may use it. A weight is a share of the unit
    /// before the change, so it says nothing about a unit that is followed back.
    fn weight(&self, id: i64) -> Option<Decimal> {
        let (date, target) = self.target.as_ref().filter(|(date, _)| *date > self.day)?;
        match self.how {
            How::Sum | How::Ratio => {}
            How::Mean | How::Max | How::Min | How::Last => return None,
        }
        let mut inside = Decimal::zero();
        for share in self.region.forest.carry(id, self.day, *date) {
            if target.contains(&share.unit_id) {
                let weight = share.weight.filter(|_| share.transfer == Transfer::Part)?;
                inside = inside.add(&weight);
            }
        }
        Some(inside)
    }
}
