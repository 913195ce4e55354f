//! Every unit at one revision, in memory: codes, trees and lineage as functions of the date.
mod administration;
mod inside;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, OnceLock},
};

use administration::{Implied, own_link};

use super::{CodeSpan, Level, Name, Ref, Scheme, Succession, Transfer, Tree, Unit};
use crate::{
    decimal::Decimal,
    error::{Error, Result, join},
    time::{Day, Span},
};

/// Units by id, with indexes by code and parent.
#[derive(Clone, Debug, Default)]
pub struct Forest {
    units: BTreeMap<i64, Unit>,
    codes: HashMap<Scheme, HashMap<String, Vec<(Span, i64)>>>,
    children: HashMap<(Tree, i64), Vec<(Span, i64)>>,
    after: HashMap<i64, Vec<Arc<Succession>>>,
    before: HashMap<i64, Vec<Arc<Succession>>>,
    /// Links of ADMINISTRATION that agencies and facilities inherit; a change clears them.
    implied: OnceLock<Implied>,
}

/// A unit that holds territory of another unit, at another date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// The unit.
    pub unit_id: i64,
    /// Whether the transfer was whole: of the unit that was followed when going forward, of this one when going back.
    pub transfer: Transfer,
    /// The share, where every step on the way has one.
    pub weight: Option<Decimal>,
}

/// A unit's lineage to a date.
#[derive(Debug)]
pub struct Lineage {
    /// Units of that date that hold its territory, with the share that each received.
    pub heirs: Vec<(i64, Transfer, Vec<i64>)>,
    /// Units of that date that hold all of it, nearest first.
    pub containers: Vec<i64>,
    /// The steps.
    pub steps: Vec<Succession>,
}

impl Forest {
    /// Builds a forest of every unit and succession.
    pub fn new(units: Vec<Unit>, successions: Vec<Succession>) -> Self {
        let mut forest = Self::default();
        for unit in units {
            forest.put(unit);
        }
        for succession in successions {
            forest.put_succession(succession);
        }
        forest
    }

    /// Adds a unit, or replaces it.
    pub fn put(&mut self, unit: Unit) {
        let id = unit.id;
        self.implied.take();
        if let Some(old) = self.units.remove(&id) {
            for CodeSpan { scheme, code, span: _ } in &old.codes {
                if let Some(bearers) =
                    self.codes.get_mut(scheme).and_then(|codes| codes.get_mut(code))
                {
                    bearers.retain(|(_, bearer)| *bearer != id);
                }
            }
            for parent in &old.parents {
                if let Some(children) = self.children.get_mut(&(parent.tree, parent.parent_id)) {
                    children.retain(|(_, child)| *child != id);
                }
            }
        }
        for CodeSpan { scheme, code, span } in &unit.codes {
            let codes = self.codes.entry(scheme.clone()).or_default();
            codes.entry(code.clone()).or_default().push((*span, id));
        }
        for parent in &unit.parents {
            let children = self.children.entry((parent.tree, parent.parent_id)).or_default();
            children.push((parent.span, id));
        }
        self.units.insert(id, unit);
    }

    /// Adds a succession, or replaces the one between the same units on the same day.
    pub fn put_succession(&mut self, succession: Succession) {
        self.implied.take();
        let succession = Arc::new(succession);
        let same = |it: &Arc<Succession>| {
            (it.predecessor_id, it.successor_id, it.effective)
                == (succession.predecessor_id, succession.successor_id, succession.effective)
        };
        let after = self.after.entry(succession.predecessor_id).or_default();
        after.retain(|it| !same(it));
        after.push(Arc::clone(&succession));
        if let Some(successor_id) = succession.successor_id {
            let before = self.before.entry(successor_id).or_default();
            before.retain(|it| !same(it));
            before.push(succession);
        }
    }

    /// The succession between two units on a day.
    pub fn succession(
        &self,
        before: i64,
        after: Option<i64>,
        effective: Day,
    ) -> Option<&Succession> {
        let steps = self.after.get(&before)?;
        let is_it = |it: &&Arc<Succession>| it.successor_id == after && it.effective == effective;
        steps.iter().find(is_it).map(Arc::as_ref)
    }

    /// A unit by its id.
    pub fn get(&self, id: i64) -> Option<&Unit> {
        self.units.get(&id)
    }

    /// Every unit, by id.
    pub fn all(&self) -> impl Iterator<Item = &Unit> {
        self.units.values()
    }

    /// The id that the next new unit gets.
    pub fn next_id(&self) -> i64 {
        self.units.last_key_value().map_or(1, |(id, _)| id + 1)
    }

    /// The name of a unit for answers; an unknown unit keeps its id.
    pub fn name(&self, id: i64) -> Name {
        let Some(unit) = self.get(id) else {
            return Name { id, level: Level::Agency, name: String::new(), code: String::new() };
        };
        let gso = Scheme::gso();
        let code = unit.codes.iter().find(|it| it.scheme == gso).or(unit.codes.first());
        let code = code.map_or_else(String::new, |it| it.code.clone());
        Name { id, level: unit.level, name: unit.name.clone(), code }
    }

    /// The units that bear or bore a code.
    pub fn bearers(&self, scheme: &Scheme, code: &str) -> &[(Span, i64)] {
        self.codes.get(scheme).and_then(|codes| codes.get(code)).map_or(&[], Vec::as_slice)
    }

    /// Resolves a reference at its own date or at `date`. `field` is the path for a refusal.
    pub fn resolve(&self, named: &Ref, date: Day, field: &str) -> Result<&Unit> {
        match named {
            Ref::Id(id) => {
                self.get(*id).ok_or_else(|| Error::not_found("unit", id).at(join(field, "id")))
            }
            Ref::Code { scheme, code, date: own } => {
                let date = own.unwrap_or(date);
                let bearers = self.bearers(scheme, code);
                if bearers.is_empty() {
                    let what = format!("{}:{code}", scheme.as_str());
                    let err = Error::not_found("unit", what);
                    return Err(err.at(join(field, "code.code")));
                }
                let bearer = bearers.iter().find(|(span, _)| span.contains(date));
                bearer.and_then(|(_, id)| self.get(*id)).ok_or_else(|| {
                    let known: Vec<_> = bearers
                        .iter()
                        .filter_map(|(span, id)| Some((span, self.get(*id)?)))
                        .map(|(span, unit)| format!("{} {}", unit.name, spell(*span)))
                        .collect();
                    let rule = format!(
                        "name a unit on {date}: the code `{code}` is on record for {}",
                        known.join(", ")
                    );
                    Error::field(join(field, "code.date"), rule)
                })
            }
        }
    }

    /// Resolves a reference to a shared unit. One that is not shared is refused like one that does not exist.
    pub fn resolve_shared(
        &self,
        named: &Ref,
        date: Day,
        field: &str,
        is_shared: impl Fn(i64) -> bool,
    ) -> Result<&Unit> {
        let unit = self.resolve(named, date, field)?;
        if is_shared(unit.id) {
            return Ok(unit);
        }
        Err(match named {
            Ref::Id(id) => Error::not_found("unit", id).at(join(field, "id")),
            Ref::Code { scheme, code, date: _ } => {
                let what = format!("{}:{code}", scheme.as_str());
                Error::not_found("unit", what).at(join(field, "code.code"))
            }
        })
    }

    /// The unit above, in a tree on a day.
    pub fn parent(&self, id: i64, tree: Tree, day: Day) -> Option<i64> {
        let unit = self.get(id)?;
        match tree {
            Tree::Territory => own_link(unit, tree, day),
            Tree::Administration => self.administration_parent(unit, day),
        }
    }

    /// The units above, nearest first.
    pub fn ancestors(&self, id: i64, tree: Tree, day: Day) -> Vec<i64> {
        let mut above = Vec::new();
        let mut next = self.parent(id, tree, day);
        while let Some(id) = next {
            if above.contains(&id) {
                break;
            }
            above.push(id);
            next = self.parent(id, tree, day);
        }
        above
    }

    /// The units directly below, by id.
    pub fn children(&self, id: i64, tree: Tree, day: Day) -> Vec<i64> {
        let mut below = match tree {
            Tree::Territory => self.linked(id, tree, day).collect(),
            Tree::Administration => self.administration_children(id, day),
        };
        below.retain(|id| self.get(*id).is_some_and(|it| it.span.contains(day)));
        below.sort_unstable();
        below.dedup();
        below
    }

    /// The units with a published link to this one on a day.
    fn linked(&self, id: i64, tree: Tree, day: Day) -> impl Iterator<Item = i64> {
        let links = self.published(id, tree).iter();
        links.filter(move |(span, _)| span.contains(day)).map(|(_, id)| *id)
    }

    /// The published links to this unit.
    fn published(&self, id: i64, tree: Tree) -> &[(Span, i64)] {
        self.children.get(&(tree, id)).map_or(&[], Vec::as_slice)
    }

    /// Every unit below, by id.
    pub fn descendants(&self, id: i64, tree: Tree, day: Day) -> BTreeSet<i64> {
        let mut found = BTreeSet::new();
        let mut next = vec![id];
        while let Some(id) = next.pop() {
            next.extend(self.children(id, tree, day).into_iter().filter(|it| found.insert(*it)));
        }
        found
    }

    /// Every unit below, in any tree at any time.
    pub fn ever_below(&self, id: i64) -> BTreeSet<i64> {
        let mut found = BTreeSet::new();
        let mut next = vec![id];
        while let Some(id) = next.pop() {
            for tree in [Tree::Territory, Tree::Administration] {
                let links = self.children.get(&(tree, id)).map_or(&[] as &[_], Vec::as_slice);
                let below = links.iter().map(|(_, id)| *id);
                next.extend(below.filter(|it| found.insert(*it)));
            }
            let inherited = self.implied().get(&id).map_or(&[] as &[_], Vec::as_slice);
            let below = inherited.iter().map(|(_, id)| *id);
            next.extend(below.filter(|it| found.insert(*it)));
        }
        found
    }

    /// The units at the top of a tree on a day, by id.
    pub fn roots(&self, tree: Tree, day: Day) -> Vec<i64> {
        self.all()
            .filter(|it| it.span.contains(day) && self.parent(it.id, tree, day).is_none())
            .map(|it| it.id)
            .collect()
    }

    /// Follows a unit's territory from one date to another, forward or back, to the units that hold it then.
    pub fn carry(&self, id: i64, from: Day, to: Day) -> Vec<Share> {
        self.follow(id, from, to, &mut Vec::new())
    }

    fn follow(&self, id: i64, from: Day, to: Day, steps: &mut Vec<Succession>) -> Vec<Share> {
        let one = Some(Decimal::from_int(1));
        let mut held: BTreeMap<i64, Share> = BTreeMap::new();
        // Each step is later than the one before (or earlier, going back), so every path ends.
        let mut next = vec![(from, Share { unit_id: id, transfer: Transfer::Whole, weight: one })];
        while let Some((since, share)) = next.pop() {
            let onward = self.steps(share.unit_id, since, to);
            let stays = self.get(share.unit_id).is_some_and(|it| it.span.contains(to));
            if stays {
                merge(&mut held, remainder(&share, &onward));
            }
            for (unit_id, step) in onward {
                let transfer = share.transfer.max(step.transfer);
                let weight = match (&share.weight, step.transfer, &step.weight) {
                    (Some(so_far), Transfer::Whole, _) => Some(so_far.clone()),
                    (Some(so_far), Transfer::Part, Some(part)) => Some(so_far.mul(part)),
                    (_, _, _) => None,
                };
                if !steps.contains(step) {
                    steps.push(step.clone());
                }
                // Going back, changes of that same day are undone as well.
                let since = if from <= to { step.effective } else { step.effective.previous() };
                next.push((since, Share { unit_id, transfer, weight }));
            }
        }
        held.into_values().collect()
    }

    /// The successions that lead from a unit towards a date.
    fn steps(&self, id: i64, from: Day, to: Day) -> Vec<(i64, &Succession)> {
        let none: &[Arc<Succession>] = &[];
        if from <= to {
            let after = self.after.get(&id).map_or(none, Vec::as_slice);
            let after = after.iter().filter(|it| it.effective > from && it.effective <= to);
            after.filter_map(|it| Some((it.successor_id?, it.as_ref()))).collect()
        } else {
            let before = self.before.get(&id).map_or(none, Vec::as_slice);
            let before = before.iter().filter(|it| it.effective <= from && it.effective > to);
            before.map(|it| (it.predecessor_id, it.as_ref())).collect()
        }
    }

    /// The successors of a unit at a later date, or its predecessors at an earlier one. A unit without successions of
    /// its own is followed through the communes that it had at the end of its time.
    pub fn trace(&self, unit: &Unit, to: Day) -> Lineage {
        let from = if unit.span.contains(to) {
            to
        } else if unit.span.to < to {
            unit.span.to
        } else {
            unit.span.from
        };
        let mut steps = Vec::new();
        let own = self.follow(unit.id, from, to, &mut steps);
        let mut heirs: BTreeMap<i64, (Transfer, Vec<i64>)> = BTreeMap::new();
        let mut lost = false;
        if own.is_empty() {
            let communes: Vec<_> = self
                .descendants(unit.id, Tree::Territory, from)
                .into_iter()
                .filter(|it| self.get(*it).is_some_and(|it| it.level == Level::Commune))
                .collect();
            for commune in communes {
                let shares = self.follow(commune, from, to, &mut steps);
                lost |= shares.is_empty();
                for share in shares {
                    let heir = heirs.entry(share.unit_id).or_insert((Transfer::Part, Vec::new()));
                    heir.1.push(commune);
                }
            }
            if !lost && heirs.len() == 1 {
                for heir in heirs.values_mut() {
                    heir.0 = Transfer::Whole;
                }
            }
        } else {
            for share in own {
                heirs.insert(share.unit_id, (share.transfer, vec![unit.id]));
            }
        }
        let containers = if lost { Vec::new() } else { self.common(heirs.keys().copied(), to) };
        let heirs = heirs.into_iter().map(|(id, (how, what))| (id, how, what)).collect();
        Lineage { heirs, containers, steps }
    }

    /// The units above all of these, nearest first; a single one counts as above itself.
    fn common(&self, ids: impl Iterator<Item = i64>, day: Day) -> Vec<i64> {
        let mut common: Option<Vec<i64>> = None;
        for id in ids {
            let mut above = vec![id];
            above.extend(self.ancestors(id, Tree::Territory, day));
            common = Some(match common {
                None => above,
                Some(so_far) => so_far.into_iter().filter(|it| above.contains(it)).collect(),
            });
        }
        common.unwrap_or_default()
    }
}

/// The share that a surviving unit keeps when parts of it went elsewhere on the way.
fn remainder(share: &Share, onward: &[(i64, &Succession)]) -> Share {
    if onward.is_empty() {
        return share.clone();
    }
    let gone: Option<Vec<&Decimal>> = onward.iter().map(|(_, it)| it.weight.as_ref()).collect();
    let left = gone.map(|it| Decimal::from_int(1).sub(&Decimal::sum(it)));
    let weight = share.weight.as_ref().zip(left).map(|(all, left)| all.mul(&left));
    Share { unit_id: share.unit_id, transfer: Transfer::Part, weight }
}

/// Joins two shares of one unit: parts of one origin that meet again are added up.
fn merge(held: &mut BTreeMap<i64, Share>, share: Share) {
    match held.get_mut(&share.unit_id) {
        None => {
            held.insert(share.unit_id, share);
        }
        Some(known) => {
            known.weight = known.weight.as_ref().zip(share.weight.as_ref()).map(|(a, b)| a.add(b));
        }
    }
}

/// A span in words.
pub fn spell(span: Span) -> String {
    match (span.from == Day::FIRST, span.to == Day::LAST) {
        (true, true) => "always".to_owned(),
        (true, false) => format!("until {}", span.to),
        (false, true) => format!("from {}", span.from),
        (false, false) => format!("from {} to {}", span.from, span.to),
    }
}
