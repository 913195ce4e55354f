//! The disjoint cover of a roll-up: which units lie inside the one asked for, and whose values speak for them.
use std::collections::{HashMap, HashSet, hash_map::Entry};

use super::{
    LeftOutReason, Sum,
    amount::How,
    closed::{Closed, Closings, Leaf, stands_for_itself},
    coverage::{WalkedUnits, counted},
    groups::Groups,
    told::{Told, UnitAnswer, UnitQuestion},
};
use crate::{
    error::Result,
    fraction::Fraction,
    indicator::{Geography, TimeRule},
    time::{Day, Span},
    unit::{Transfer, Tree, forest::Share},
};

/// Where a unit lies, seen from the unit asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Containment {
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

/// A unit that may have a part in the sum.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    pub(super) id: i64,
    pub(super) above: Option<i64>,
    pub(super) span: Span,
    /// Whether it stands for itself when history is restated; the others stand for what is below them.
    leaf: bool,
    pub(super) containment: Containment,
    /// Whether it is expected to report.
    pub(super) expected: bool,
}

/// The tree on the last day of a period, from the top, and where its units lie; then the units that closed before.
pub(super) struct Cover<'a> {
    question: &'a UnitQuestion<'a>,
    how: How,
    day: Day,
    /// The unit asked for and those below it, at the date of the geography.
    target: HashSet<i64>,
    /// That date, when history is restated.
    date: Option<Day>,
    nodes: Vec<Node>,
    ids: HashSet<i64>,
    groups: Groups,
    /// Units of the cover.
    used: HashSet<i64>,
    /// Units of the cover, and those below them.
    covered: HashSet<i64>,
    refused: HashMap<i64, LeftOutReason>,
    missing: Vec<(i64, crate::period::Period, LeftOutReason)>,
}

impl<'a> Cover<'a> {
    pub(super) fn new(question: &'a UnitQuestion<'a>, how: How) -> Self {
        let region = question.region;
        let (forest, tree, unit_id) = (region.forest, region.meaning.tree, region.unit_id);
        let day = question.plan.range.to;
        let date = match region.geography {
            Geography::AsReported => None,
            Geography::AsOf(date) => Some(date),
        };
        let mut target = HashSet::from([unit_id]);
        target.extend(forest.descendants(unit_id, tree, date.unwrap_or(day)));
        let tops = match date {
            None => forest.children(unit_id, tree, day),
            Some(_) => forest.roots(tree, day),
        };
        let mut cover = Self {
            question,
            how,
            day,
            target,
            date,
            nodes: Vec::new(),
            ids: HashSet::new(),
            groups: Groups::default(),
            used: HashSet::new(),
            covered: HashSet::new(),
            refused: HashMap::new(),
            missing: Vec::new(),
        };
        cover.survey(tops);
        cover.locate();
        cover
    }

    /// Finds the units, each after the one above it.
    fn survey(&mut self, tops: Vec<i64>) {
        let region = self.question.region;
        let (forest, meaning) = (region.forest, region.meaning);
        let mut above: HashMap<i64, Option<i64>> = tops.iter().map(|id| (*id, None)).collect();
        let mut next = tops;
        while let Some(id) = next.pop() {
            let Some(unit) = forest.get(id) else { continue };
            let children = forest.children(id, meaning.tree, self.day);
            let leaf = match stands_for_itself(meaning.tree, unit.level) {
                Some(leaf) => leaf,
                None => children.is_empty(),
            };
            for child in children {
                if let Entry::Vacant(entry) = above.entry(child) {
                    entry.insert(Some(id));
                    next.push(child);
                }
            }
            self.ids.insert(id);
            self.nodes.push(Node {
                id,
                above: above.get(&id).copied().flatten(),
                span: unit.span,
                leaf,
                containment: Containment::Inside,
                expected: unit.level == meaning.collection_level,
            });
        }
    }

    /// Finds where they lie, from below: a unit lies where the territory of every leaf below it went.
    fn locate(&mut self) {
        let mut nodes = std::mem::take(&mut self.nodes);
        let mut known: HashMap<i64, Containment> = HashMap::new();
        for node in nodes.iter_mut().rev().filter(|_| self.date.is_some()) {
            let below = known.get(&node.id).copied().filter(|_| !node.leaf);
            // A leaf with nothing on record lies nowhere, and does not speak for the unit above it.
            let containment = below.or_else(|| self.lies(&self.carried(node.id, self.day)));
            node.containment = containment.unwrap_or(Containment::Outside);
            // What an institution does says nothing about the territory above it.
            let speaks =
                self.question.region.meaning.tree == Tree::Territory || self.is_locality(node.id);
            if let (Some(containment), Some(above)) = (containment.filter(|_| speaks), node.above) {
                let together = containment.with(known.get(&above).copied());
                known.insert(above, together);
            }
        }
        self.nodes = nodes;
    }

    fn is_locality(&self, id: i64) -> bool {
        self.question.region.forest.get(id).is_some_and(|it| it.level.is_locality())
    }

    fn carried(&self, id: i64, from: Day) -> Vec<Share> {
        let region = self.question.region;
        let to = self.date.unwrap_or(self.day);
        region.forest.carry_in(region.meaning.tree, id, from, to)
    }

    /// Where a territory lies that these hold.
    fn lies(&self, shares: &[Share]) -> Option<Containment> {
        let is_inside = |it: &Share| self.target.contains(&it.unit_id);
        Containment::of(shares.iter().any(is_inside), shares.iter().any(|it| !is_inside(it)))
    }

    /// Adds up the topmost units that have a value.
    pub(super) fn sum(mut self, closings: &Closings) -> Result<Sum> {
        let question = self.question;
        let unit_id = question.region.unit_id;
        for node in std::mem::take(&mut self.nodes) {
            self.nodes.push(node);
            if node.above.is_some_and(|it| self.covered.contains(&it)) {
                self.covered.insert(node.id);
            } else if node.containment != Containment::Outside && node.id != unit_id {
                self.walk(&node);
            }
        }
        for closed in closings.touching(&self.target) {
            self.close(closed);
        }
        self.own();
        self.check_that_it_can_be_said()?;
        let reading = self.groups.combine(question);
        let coverage = counted(
            question,
            WalkedUnits {
                nodes: &self.nodes,
                covered: &self.covered,
                refused: &self.refused,
                missing: self.missing,
            },
        );
        Ok(Sum::of(reading.as_ref(), coverage))
    }

    /// Takes what a unit says, or notes why it cannot be taken.
    fn walk(&mut self, node: &Node) {
        let taken = match self.question.ask(node.id, node.span) {
            UnitAnswer::Silent => return,
            // That it lies partly elsewhere is said first: of that nothing can be used.
            UnitAnswer::Refused(LeftOutReason::NoComponents) if self.spans(node) => {
                Err(LeftOutReason::SpansTarget)
            }
            UnitAnswer::Refused(reason) => Err(reason),
            UnitAnswer::Told(told) => self.place(node, *told, || self.carried(node.id, self.day)),
        };
        let lacks_weight = self.question.lacks_weight(node.id);
        match taken.and_then(|it| if lacks_weight { Err(LeftOutReason::NoWeight) } else { Ok(it) })
        {
            Err(reason) => {
                self.refused.insert(node.id, reason);
            }
            Ok(told) => {
                self.groups.put(self.question, node.id, node.span, &told);
                self.take(node.id, told);
            }
        }
    }

    fn take(&mut self, id: i64, told: Told) {
        self.used.insert(id);
        self.covered.insert(id);
        self.missing.extend(told.missing.into_iter().map(|(part, why)| (id, part, why)));
    }

    fn spans(&self, node: &Node) -> bool {
        node.containment == Containment::Straddles && !node.leaf
    }

    /// What a unit's value brings into the sum, or why it brings nothing.
    fn place(
        &self,
        node: &Node,
        told: Told,
        carried: impl Fn() -> Vec<Share>,
    ) -> Result<Told, LeftOutReason> {
        if self.spans(node) {
            return Err(LeftOutReason::SpansTarget);
        }
        if node.containment == Containment::Inside {
            return Ok(told);
        }
        let weight = self.weight(&carried(), node.span);
        let weight = weight.ok_or(LeftOutReason::SplitWithoutWeight)?;
        let amount = told.amount.share(&weight);
        Ok(Told { amount, ..told })
    }

    /// The sourced share of a divided unit that is inside, where the rule may use it. A weight is a share of the unit
    /// before the change, so it says nothing about a unit that is followed back.
    fn weight(&self, carried: &[Share], span: Span) -> Option<Fraction> {
        let followed_from = self.day.min(span.to);
        if self.date.unwrap_or(self.day) <= followed_from {
            return None;
        }
        match self.how {
            How::Sum | How::Ratio => {}
            How::Mean | How::Max | How::Min | How::Last => return None,
        }
        let mut inside = Vec::new();
        for share in carried.iter().filter(|it| self.target.contains(&it.unit_id)) {
            let weight = share.weight.as_ref().filter(|_| share.transfer == Transfer::Part)?;
            inside.push(weight.into());
        }
        Some(Fraction::sum(&inside))
    }

    // === units that closed inside the period ===

    /// Takes the value of a unit that closed, for the part of the period in which it stood.
    fn close(&mut self, closed: &Closed) {
        let question = self.question;
        let region = question.region;
        let Some(unit) = region.forest.get(closed.id) else { return };
        let lies = self.lies(&closed.lies).unwrap_or(Containment::Outside);
        let collects = unit.level == region.meaning.collection_level;
        let mut node = Node {
            id: closed.id,
            above: closed.above.iter().copied().find(|it| self.ids.contains(it)),
            span: unit.span,
            leaf: closed.leaf,
            containment: lies,
            expected: collects,
        };
        if lies == Containment::Outside {
            return;
        }
        let adds = match region.meaning.time_rule {
            TimeRule::Sum | TimeRule::Ratio | TimeRule::Mean => true,
            TimeRule::Last | TimeRule::None => false,
        };
        let told_above = closed.above.iter().any(|it| self.used.contains(it));
        if closed.id == region.unit_id || told_above {
            node.expected &= adds;
            if told_above && closed.id != region.unit_id {
                self.covered.insert(closed.id);
            }
            self.keep(node);
            return;
        }
        if !adds {
            let reported = question.sent(closed.id, closed.last);
            if reported {
                self.refused.insert(closed.id, LeftOutReason::ClosedBeforeEnd);
                self.keep(node);
            }
            return;
        }
        // What was below it, lies inside, and has told of the same time itself.
        let inside = |it: &&Leaf| self.lies(&it.lies).is_some_and(|it| it != Containment::Outside);
        let tells =
            |it: &&Leaf| std::iter::once(&it.id).chain(&it.above).any(|it| self.used.contains(it));
        let all_below = closed.leaves.iter().filter(inside).count();
        let told_below = closed.leaves.iter().filter(inside).filter(tells).count();
        if told_below > 0 && told_below == all_below {
            return;
        }
        // Institutions below it may go on and have told of theirs.
        let tree = region.meaning.tree;
        let told_below = told_below > 0
            || tree == Tree::Administration
                && region
                    .forest
                    .descendants(closed.id, tree, closed.last)
                    .iter()
                    .any(|it| self.used.contains(it));
        self.keep(node);
        let taken = match question.ask(closed.id, unit.span) {
            UnitAnswer::Silent => return,
            UnitAnswer::Refused(LeftOutReason::NoComponents) if self.spans(&node) => {
                Err(LeftOutReason::SpansTarget)
            }
            UnitAnswer::Refused(reason) => Err(reason),
            UnitAnswer::Told(told) => self.place(&node, *told, || closed.lies.clone()),
        };
        // What is told of already cannot be taken out of it.
        let taken = taken.and_then(|told| match told_below {
            false => Ok(told),
            true => Err(LeftOutReason::SplitWithoutWeight),
        });
        let joined = taken.and_then(|told| {
            let covers = closed.heirs.iter().map(|it| self.cover_of(*it)).collect();
            let unit = (closed.id, unit.span);
            self.groups.join(question, unit, &told, &closed.heirs, &covers).map(|()| told)
        });
        match joined {
            Ok(told) => self.take(closed.id, told),
            Err(reason) => {
                self.refused.insert(closed.id, reason);
            }
        }
    }

    /// A unit below which nothing is.
    fn lone(&self, id: i64) -> Option<Node> {
        let region = self.question.region;
        let unit = region.forest.get(id)?;
        let tree = region.meaning.tree;
        let leaf = stands_for_itself(tree, unit.level)
            .unwrap_or_else(|| region.forest.children(id, tree, self.day).is_empty());
        leaf.then_some(Node {
            id,
            above: None,
            span: unit.span,
            leaf,
            containment: Containment::Inside,
            expected: unit.level == region.meaning.collection_level,
        })
    }

    fn keep(&mut self, node: Node) {
        self.ids.insert(node.id);
        self.nodes.push(node);
    }

    /// The unit of the cover that speaks for a unit on the last day of the period; itself where none does.
    fn cover_of(&self, id: i64) -> i64 {
        let above =
            self.question.region.forest.ancestors(id, self.question.region.meaning.tree, self.day);
        let mut above = std::iter::once(id).chain(above);
        above.find(|it| self.used.contains(it)).unwrap_or(id)
    }

    // === what is missing ===

    /// The unit asked for never enters its own sum. Where it took others in and nothing is below it, its own part is
    /// therefore missing.
    fn own(&mut self) {
        let unit_id = self.question.region.unit_id;
        if self.date.is_none() && self.nodes.iter().all(|it| it.id != unit_id) {
            // As it was reported, only what is below it was looked at.
            self.nodes.extend(self.lone(unit_id));
        }
        let expected = |it: &&mut Node| it.expected && it.containment != Containment::Outside;
        let others = self.nodes.iter_mut().filter(expected).any(|it| it.id != unit_id);
        if let Some(own) = self.nodes.iter_mut().find(|it| it.id == unit_id) {
            own.expected &= own.leaf && others;
            let sent = !matches!(self.question.ask(own.id, own.span), UnitAnswer::Silent);
            if own.expected && sent {
                self.refused.insert(unit_id, LeftOutReason::Itself);
            }
        }
        for node in &mut self.nodes {
            node.expected &= node.containment != Containment::Outside;
        }
        let plan = &self.question.plan;
        let stood = self.question.region.forest.get(unit_id).map(|it| it.span);
        for (part, days) in plan.parts.iter().filter(|_| plan.how.is_some_and(|it| it != How::Last))
        {
            let inside = |it: &Node| it.containment != Containment::Outside && it.id != unit_id;
            let nobody = !self.nodes.iter().any(|it| inside(it) && it.span.overlaps(*days));
            if nobody && stood.is_some_and(|it| !it.overlaps(*days)) {
                self.missing.push((unit_id, *part, LeftOutReason::UnitNotValid));
            }
        }
    }

    /// Refuses a period that the frequency does not make up, unless units reported it as such, and nobody who is
    /// missing reported something else inside it.
    fn check_that_it_can_be_said(&self) -> Result<()> {
        let Some(refusal) = &self.question.plan.loose else { return Ok(()) };
        let spoken = !self.used.is_empty()
            || self.refused.values().any(|it| *it != LeftOutReason::NotShared);
        let silent = |it: &&Node| {
            it.expected && !self.covered.contains(&it.id) && !self.refused.contains_key(&it.id)
        };
        let otherwise = self.nodes.iter().filter(silent).any(|it| self.question.sent_parts(it.id));
        if spoken && !otherwise { Ok(()) } else { Err(refusal.clone()) }
    }
}
