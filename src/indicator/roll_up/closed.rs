//! Units that closed inside a period: where their territory went, and what they are left with.
use std::collections::{BTreeSet, HashMap, HashSet};

use crate::{
    indicator::{Geography, Meaning},
    period::Period,
    time::Day,
    unit::{
        Level, Tree,
        forest::{Forest, Share},
    },
};

/// The units that stood in a period but not on its last day, those above others first.
#[derive(Debug, Default)]
pub struct Closings {
    all: Vec<Closed>,
    /// Which of them have territory in a unit, at the date of the geography.
    by_heir: HashMap<i64, Vec<usize>>,
}

/// A unit that closed inside a period.
#[derive(Debug)]
pub(super) struct Closed {
    pub(super) id: i64,
    /// Its last day.
    pub(super) last: Day,
    /// Whether it stands for itself; the others stand for what was below them.
    pub(super) leaf: bool,
    /// The units above it on its last day, nearest first.
    pub(super) above: Vec<i64>,
    /// What was below it on that day and stands for itself.
    pub(super) leaves: Vec<Leaf>,
    /// Where its territory lies at the date of the geography.
    pub(super) lies: Vec<Share>,
    /// The units that hold its territory on the last day of the period.
    pub(super) heirs: BTreeSet<i64>,
}

/// A unit that stood for itself below one that closed.
#[derive(Debug)]
pub(super) struct Leaf {
    pub(super) id: i64,
    /// The units above it on that day.
    pub(super) above: Vec<i64>,
    /// Where its territory lies at the date of the geography.
    pub(super) lies: Vec<Share>,
}

impl Closings {
    /// Of a period, seen from a geography.
    pub fn of(forest: &Forest, meaning: &Meaning, period: Period, geography: Geography) -> Self {
        let range = meaning.range(period);
        let closed = forest.all().filter(|it| it.span.to >= range.from && it.span.to < range.to);
        let within = |id: i64| closed_unit(forest, meaning.tree, id, range.to, geography);
        let mut all: Vec<_> = closed.filter_map(|it| within(it.id)).collect();
        // What is below others has more above it; of those that closed later comes first what was above the others.
        all.sort_by_key(|it| (it.above.len(), std::cmp::Reverse(it.last), it.id));
        let mut by_heir: HashMap<i64, Vec<usize>> = HashMap::new();
        for (place, one) in all.iter().enumerate() {
            let heirs: HashSet<i64> = one.lies.iter().map(|it| it.unit_id).collect();
            for heir in heirs {
                by_heir.entry(heir).or_default().push(place);
            }
        }
        Self { all, by_heir }
    }

    /// Those that have territory in one of these units.
    pub(super) fn touching(&self, target: &HashSet<i64>) -> Vec<&Closed> {
        if self.all.is_empty() {
            return Vec::new();
        }
        let places = target.iter().filter_map(|it| self.by_heir.get(it)).flatten();
        let places: BTreeSet<usize> = places.copied().collect();
        places.into_iter().filter_map(|it| self.all.get(it)).collect()
    }
}

/// Whether a unit stands for itself when history is restated, whatever is below it: a commune, and an agency and a
/// facility in their own tree. None where it does if nothing is below it.
pub(super) fn stands_for_itself(tree: Tree, level: Level) -> Option<bool> {
    match (tree, level) {
        (_, Level::Commune) | (Tree::Administration, Level::Agency | Level::Facility) => Some(true),
        (Tree::Territory, _) => Some(false),
        (Tree::Administration, Level::Province | Level::District) => None,
    }
}

/// What is known of a unit that closed; None of one that is in no tree of this kind.
fn closed_unit(
    forest: &Forest,
    tree: Tree,
    id: i64,
    ends: Day,
    geography: Geography,
) -> Option<Closed> {
    let unit = forest.get(id)?;
    let last = unit.span.to;
    let below = forest.descendants(id, tree, last);
    let leaf = stands_for_itself(tree, unit.level).unwrap_or(below.is_empty());
    // What an institution does says nothing about the territory above it.
    let speaks = |it: &i64| {
        forest.get(*it).is_some_and(|it| tree == Tree::Territory || it.level.is_locality())
    };
    let is_leaf = |it: &i64| {
        let level = forest.get(*it).map(|it| it.level);
        let known = level.and_then(|it| stands_for_itself(tree, it)).unwrap_or(false);
        speaks(it) && (known || forest.children(*it, tree, last).is_empty())
    };
    let mut leaves: Vec<i64> = match leaf {
        true => vec![id],
        false => below.into_iter().filter(is_leaf).collect(),
    };
    let date = match geography {
        Geography::AsReported => ends,
        Geography::AsOf(date) => date,
    };
    let carried = |leaves: &[i64], date: Day| -> Vec<Share> {
        leaves.iter().flat_map(|it| forest.carry_in(tree, *it, last, date)).collect()
    };
    let above = forest.ancestors(id, tree, last);
    let mut lies = carried(&leaves, date);
    if lies.is_empty() && !leaf {
        // Nothing below it is on record: it is followed itself.
        leaves = vec![id];
        lies = carried(&leaves, date);
    }
    let heirs = carried(&leaves, ends).into_iter().map(|it| it.unit_id).collect();
    if lies.is_empty() && geography == Geography::AsReported {
        // Closed without a successor: it stays with what was above it and goes on.
        let goes_on = |it: &&i64| forest.get(**it).is_some_and(|it| it.span.contains(ends));
        let home = above.iter().find(goes_on)?;
        lies = forest.carry_in(tree, *home, ends, ends);
    }
    let below = leaves.into_iter().filter(|it| *it != id).map(|it| Leaf {
        id: it,
        above: forest.ancestors(it, tree, last),
        lies: forest.carry_in(tree, it, last, date),
    });
    Some(Closed { id, last, leaf, above, leaves: below.collect(), lies, heirs })
}
