//! The disjoint cover of a roll-up: which units lie inside the one asked for, and whose values speak for them.
use std::collections::{HashMap, HashSet, hash_map::Entry};

use super::{Coverage, How, LeftOut, LeftOutReason, Readings, Region, Sum, scale, versions_differ};
use crate::{
    decimal::Decimal,
    indicator::{Geography, Kind, Reading, Status},
    period::Period,
    time::Day,
    unit::{Level, Transfer, Tree},
};

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
struct Node {
    id: i64,
    above: Option<i64>,
    /// Whether it stands for itself when history is restated; the others stand for what is below them.
    leaf: bool,
    containment: Containment,
    /// Whether it is expected to report.
    expected: bool,
}

/// The tree on the last day of a period, from the top, and where its units lie.
pub(super) struct Cover<'a> {
    region: &'a Region<'a>,
    how: How,
    day: Day,
    /// When history is restated: the unit asked for and those below it, at that date.
    target: Option<(Day, HashSet<i64>)>,
    nodes: Vec<Node>,
}

impl<'a> Cover<'a> {
    pub(super) fn new(region: &'a Region<'a>, how: How, day: Day) -> Self {
        let Region { forest, meaning, unit_id, geography } = *region;
        let (tops, target) = match geography {
            Geography::AsReported => (forest.children(unit_id, meaning.tree, day), None),
            Geography::AsOf(date) => {
                let mut target = HashSet::from([unit_id]);
                target.extend(forest.descendants(unit_id, meaning.tree, date));
                (forest.roots(meaning.tree, day), Some((date, target)))
            }
        };
        let mut cover = Self { region, how, day, target, nodes: Vec::new() };
        cover.survey(tops);
        cover.locate();
        cover.expect();
        cover
    }

    /// Finds the units, each after the one above it.
    fn survey(&mut self, tops: Vec<i64>) {
        let Region { forest, meaning, unit_id: _, geography: _ } = *self.region;
        let mut above: HashMap<i64, Option<i64>> = tops.iter().map(|id| (*id, None)).collect();
        let mut next = tops;
        while let Some(id) = next.pop() {
            let children = forest.children(id, meaning.tree, self.day);
            // A commune, an agency and a facility stand for themselves, whatever is below them.
            let leaf = match (meaning.tree, forest.get(id).map(|it| it.level)) {
                (_, Some(Level::Commune)) => true,
                (Tree::Territory, _) => false,
                (Tree::Administration, Some(Level::Agency | Level::Facility)) => true,
                (Tree::Administration, _) => children.is_empty(),
            };
            for child in children {
                if let Entry::Vacant(entry) = above.entry(child) {
                    entry.insert(Some(id));
                    next.push(child);
                }
            }
            let above = above.get(&id).copied().flatten();
            self.nodes.push(Node {
                id,
                above,
                leaf,
                containment: Containment::Inside,
                expected: false,
            });
        }
    }

    /// Finds where they lie, from below: a unit lies where the territory of every leaf below it went.
    fn locate(&mut self) {
        if self.target.is_none() {
            return;
        }
        let mut nodes = std::mem::take(&mut self.nodes);
        let mut known: HashMap<i64, Containment> = HashMap::new();
        for node in nodes.iter_mut().rev() {
            let below = known.get(&node.id).copied().filter(|_| !node.leaf);
            // A leaf with nothing on record lies nowhere, and does not speak for the unit above it.
            let containment = below.or_else(|| self.went(node.id));
            node.containment = containment.unwrap_or(Containment::Outside);
            // What an institution does says nothing about the territory above it.
            let speaks = self.region.meaning.tree == Tree::Territory || self.is_locality(node.id);
            if let (Some(containment), Some(above)) = (containment.filter(|_| speaks), node.above) {
                let together = containment.with(known.get(&above).copied());
                known.insert(above, together);
            }
        }
        self.nodes = nodes;
    }

    fn is_locality(&self, id: i64) -> bool {
        self.region.forest.get(id).is_some_and(|it| it.level.is_locality())
    }

    /// Where a unit went.
    fn went(&self, id: i64) -> Option<Containment> {
        let (date, target) = self.target.as_ref()?;
        let Region { forest, meaning, unit_id: _, geography: _ } = *self.region;
        let shares = forest.carry_in(meaning.tree, id, self.day, *date);
        let inside = shares.iter().any(|it| target.contains(&it.unit_id));
        Containment::of(inside, shares.iter().any(|it| !target.contains(&it.unit_id)))
    }

    /// Finds who is expected to report. The unit asked for never enters its own sum; where it took others in and
    /// nothing is below it, its own part is therefore missing.
    fn expect(&mut self) {
        let Region { forest, meaning, unit_id, geography: _ } = *self.region;
        let mut own = None;
        let mut others = false;
        for node in &mut self.nodes {
            let collects =
                forest.get(node.id).is_some_and(|it| it.level == meaning.collection_level);
            if !collects || node.containment == Containment::Outside {
                continue;
            }
            if node.id == unit_id {
                own = node.leaf.then_some(node);
            } else {
                node.expected = true;
                others = true;
            }
        }
        if let Some(own) = own {
            own.expected = others;
        }
    }

    /// Whether some unit has a value for exactly this period.
    pub(super) fn speaks(&self, period: Period, readings: &Readings) -> bool {
        let mut nodes = self.nodes.iter().filter(|it| it.id != self.region.unit_id);
        nodes.any(|node| {
            let whole = match node.containment {
                Containment::Inside => true,
                Containment::Straddles => node.leaf,
                Containment::Outside => false,
            };
            let reading = readings.get(&(period, node.id)).filter(|_| whole);
            reading.is_some_and(|it| self.value(it).is_some())
        })
    }

    /// Adds up the topmost units that reported.
    pub(super) fn sum(&self, period: Period, readings: &Readings) -> Sum {
        let mut used = Vec::new();
        // Units of the cover, and those below them.
        let mut covered = HashSet::new();
        let mut refused = HashMap::new();
        for node in &self.nodes {
            if node.above.is_some_and(|it| covered.contains(&it)) {
                covered.insert(node.id);
            } else if node.containment != Containment::Outside
                && node.id != self.region.unit_id
                && let Some(reading) = readings.get(&(period, node.id))
            {
                match self.take(node, reading) {
                    Ok(reading) => {
                        used.push(reading);
                        covered.insert(node.id);
                    }
                    Err(reason) => {
                        refused.insert(node.id, reason);
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
        for node in self.nodes.iter().rev() {
            let Node { id, above, leaf: _, containment: _, expected } = *node;
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
    fn take(&self, node: &Node, reading: &Reading) -> Result<Reading, LeftOutReason> {
        let value = self.value(reading).ok_or(LeftOutReason::NoValue)?;
        match node.containment {
            Containment::Straddles if !node.leaf => return Err(LeftOutReason::SpansTarget),
            Containment::Inside | Containment::Straddles | Containment::Outside => {}
        }
        let components = reading.numerator.is_some() && reading.denominator.is_some();
        if self.how == How::Ratio && !components {
            return Err(LeftOutReason::NoComponents);
        }
        let reading = Reading { value: Some(value), ..reading.clone() };
        if node.containment == Containment::Inside {
            return Ok(reading);
        }
        let weight = self.weight(node.id).ok_or(LeftOutReason::SplitWithoutWeight)?;
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
        let Region { forest, meaning, unit_id: _, geography: _ } = *self.region;
        for share in forest.carry_in(meaning.tree, id, self.day, *date) {
            if target.contains(&share.unit_id) {
                let weight = share.weight.filter(|_| share.transfer == Transfer::Part)?;
                inside = inside.add(&weight);
            }
        }
        Some(inside)
    }
}
