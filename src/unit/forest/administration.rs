//! The tree ADMINISTRATION: its published links, and those that follow from TERRITORY and lineage.
//!
//! A locality belongs in ADMINISTRATION to what it belongs to in TERRITORY, unless a link of its own says otherwise:
//! the reference data holds each link once. An agency or a facility whose parent closed belongs to the unit that holds
//! all of the closed one's territory, until a link of its own says otherwise, so that a roll-up does not lose it.
use std::collections::{BTreeSet, HashMap};

use super::{Forest, Share, Transfer};
use crate::{
    time::{Day, Span},
    unit::{Level, ParentSpan, Tree, Unit},
};

/// Most steps from one closed unit to the next: bad links may form a cycle.
const MOST_STEPS: usize = 32;

/// Inherited links by parent: the days, and the unit below.
pub(super) type Implied = HashMap<i64, Vec<(Span, i64)>>;

impl Forest {
    /// The inherited links of a unit in ADMINISTRATION, earliest first.
    pub fn implied_parents(&self, unit: &Unit) -> Vec<ParentSpan> {
        if unit.level.is_locality() { from_territory(unit) } else { self.inherited(unit) }
    }

    /// The unit above in ADMINISTRATION on a day.
    pub(super) fn administration_parent(&self, unit: &Unit, day: Day) -> Option<i64> {
        let own = own_link(unit, Tree::Administration, day);
        if unit.level.is_locality() {
            return own.or_else(|| own_link(unit, Tree::Territory, day));
        }
        own.filter(|it| self.stands(*it, day)).or_else(|| {
            let inherited = self.inherited(unit);
            inherited.iter().find(|it| it.span.contains(day)).map(|it| it.parent_id)
        })
    }

    /// The units directly below in ADMINISTRATION on a day.
    pub(super) fn administration_children(&self, id: i64, day: Day) -> Vec<i64> {
        let stands = self.stands(id, day);
        let published = self.linked(id, Tree::Administration, day).filter(|child| {
            // An agency or a facility is no longer below a unit that closed.
            stands || self.get(*child).is_some_and(|it| it.level.is_locality())
        });
        let below = self.linked(id, Tree::Territory, day).filter(|child| {
            let is_implied = |it: &Unit| {
                it.level.is_locality() && own_link(it, Tree::Administration, day).is_none()
            };
            self.get(*child).is_some_and(is_implied)
        });
        let inherited = self.implied().get(&id).map_or(&[] as &[_], Vec::as_slice);
        let inherited = inherited.iter().filter(|(span, _)| span.contains(day)).map(|(_, id)| *id);
        published.chain(below).chain(inherited).collect()
    }

    /// The links to the units directly below in ADMINISTRATION, each with its days.
    pub(super) fn administration_links(&self, id: i64) -> Vec<(Span, i64)> {
        let ever = Span { from: Day::FIRST, to: Day::LAST };
        let stands = self.get(id).map_or(ever, |it| it.span);
        let is_locality = |id: i64| self.get(id).is_some_and(|it| it.level.is_locality());
        let published = self.published(id, Tree::Administration).iter();
        let published = published.map(|(span, child)| {
            // An agency or a facility is no longer below a unit that closed.
            (if is_locality(*child) { *span } else { span.cut(stands) }, *child)
        });
        let below = self.published(id, Tree::Territory).iter().map(|(_, child)| *child);
        let below: BTreeSet<i64> = below.filter(|it| is_locality(*it)).collect();
        let implied = below.into_iter().filter_map(|it| self.get(it)).flat_map(|unit| {
            let links = from_territory(unit).into_iter().filter(|it| it.parent_id == id);
            links.map(|it| (it.span, unit.id))
        });
        let inherited = self.implied().get(&id).map_or(&[] as &[_], Vec::as_slice);
        published.chain(implied).chain(inherited.iter().copied()).collect()
    }

    /// Follows a unit from one date to another, as [`Forest::carry`] does, in a tree. An agency or a facility that has
    /// no place of its own at the other date, because it closed or nobody said where it belongs, went where the unit
    /// above it went. What share of it went with a part of that unit is not known.
    pub fn carry_in(&self, tree: Tree, id: i64, from: Day, to: Day) -> Vec<Share> {
        let is_locality = |id: i64| self.get(id).is_none_or(|it| it.level.is_locality());
        if tree == Tree::Territory || is_locality(id) {
            return self.carry(id, from, to);
        }
        let mut way = vec![id];
        way.extend(self.ancestors(id, tree, from));
        let top = way.last().copied();
        for above in way {
            let mut shares = self.carry_by_communes(above, from, to);
            let has_place = !shares.is_empty()
                && shares.iter().all(|it| Some(above) == top || self.has_place(it.unit_id, to));
            if !has_place && !is_locality(above) {
                continue;
            }
            if above != id {
                let parts = shares.iter_mut().filter(|it| it.transfer == Transfer::Part);
                parts.for_each(|it| it.weight = None);
            }
            return shares;
        }
        Vec::new()
    }

    /// Follows a unit; a district, which has no successor of its own, through its communes.
    fn carry_by_communes(&self, id: i64, from: Day, to: Day) -> Vec<Share> {
        let shares = self.carry(id, from, to);
        if !shares.is_empty() || self.get(id).is_none_or(|it| it.level != Level::District) {
            return shares;
        }
        let communes = self.descendants(id, Tree::Territory, from);
        let shares = communes.into_iter().flat_map(|it| self.carry(it, from, to));
        let mut held: Vec<_> = shares.map(|it| (it.unit_id, Transfer::Part)).collect();
        held.sort_unstable();
        held.dedup();
        if let [(_, transfer)] = held.as_mut_slice() {
            *transfer = Transfer::Whole;
        }
        let share = |(unit_id, transfer)| Share { unit_id, transfer, weight: None };
        held.into_iter().map(share).collect()
    }

    /// Whether a unit has a published link of its own on a day.
    fn has_place(&self, id: i64, day: Day) -> bool {
        let link = self.get(id).and_then(|it| own_link(it, Tree::Administration, day));
        link.is_some_and(|it| self.stands(it, day))
    }

    /// The links that agencies and facilities inherit, computed when they are first asked for.
    pub(super) fn implied(&self) -> &Implied {
        self.implied.get_or_init(|| {
            let mut implied = Implied::new();
            for unit in self.all() {
                for ParentSpan { tree: _, parent_id, span } in self.inherited(unit) {
                    implied.entry(parent_id).or_default().push((span, unit.id));
                }
            }
            implied
        })
    }

    /// The links of an agency or a facility after its parents closed, the earliest first.
    fn inherited(&self, unit: &Unit) -> Vec<ParentSpan> {
        let mut inherited = Vec::new();
        if unit.level.is_locality() {
            return inherited;
        }
        let mut own: Vec<_> =
            unit.parents.iter().filter(|it| it.tree == Tree::Administration).collect();
        own.sort_by_key(|it| it.span.from);
        for (i, link) in own.iter().enumerate() {
            let Some(closed) = self.get(link.parent_id).map(|it| it.span.to) else { continue };
            if closed > link.span.to || closed == Day::LAST {
                continue;
            }
            let next = own.get(i + 1).map_or(unit.span.to, |it| it.span.from.previous());
            // A link that outlives its parent still ends on its own last day.
            let until = if link.span.to > closed { next.min(link.span.to) } else { next };
            let mut below = Span { from: closed.next().max(link.span.from), to: until };
            let mut parent = Some(link.parent_id);
            while let Some(above) = parent.filter(|_| !below.is_empty()) {
                parent = self.holder(above, below.from);
                let Some(holder) = parent.and_then(|it| self.get(it)) else { break };
                let span = below.cut(holder.span);
                inherited.push(ParentSpan {
                    tree: Tree::Administration,
                    parent_id: holder.id,
                    span,
                });
                if span.to == Day::LAST {
                    break;
                }
                below.from = span.to.next();
            }
        }
        inherited
    }

    /// The unit that holds, on a later day, all that a closed one held: its successor, or the nearest unit above all of
    /// them. An agency without successors is followed through what it belonged to.
    fn holder(&self, closed: i64, day: Day) -> Option<i64> {
        let mut next = closed;
        for _ in 0..MOST_STEPS {
            let unit = self.get(next)?;
            if unit.span.contains(day) {
                return Some(next);
            }
            let holder = self.trace(unit, day).containers.first().copied();
            if holder.is_some() || unit.level.is_locality() {
                return holder;
            }
            next = own_link(unit, Tree::Administration, unit.span.to)?;
        }
        None
    }

    fn stands(&self, id: i64, day: Day) -> bool {
        self.get(id).is_some_and(|it| it.span.contains(day))
    }
}

/// The unit above by a published link.
pub(super) fn own_link(unit: &Unit, tree: Tree, day: Day) -> Option<i64> {
    unit.parents.iter().find(|it| it.tree == tree && it.span.contains(day)).map(|it| it.parent_id)
}

/// A locality's links in TERRITORY, without the days on which it has one of its own in ADMINISTRATION.
fn from_territory(unit: &Unit) -> Vec<ParentSpan> {
    let mut own: Vec<Span> = unit
        .parents
        .iter()
        .filter(|it| it.tree == Tree::Administration)
        .map(|it| it.span)
        .collect();
    own.sort_by_key(|it| it.from);
    let mut implied = Vec::new();
    for link in unit.parents.iter().filter(|it| it.tree == Tree::Territory) {
        let mut rest = Some(link.span);
        for taken in &own {
            let Some(span) = rest.filter(|it| it.overlaps(*taken)) else { continue };
            let before = Span { from: span.from, to: taken.from.previous() };
            if taken.from > span.from {
                implied.push(ParentSpan {
                    tree: Tree::Administration,
                    span: before,
                    parent_id: link.parent_id,
                });
            }
            rest = (taken.to < span.to).then(|| Span { from: taken.to.next(), to: span.to });
        }
        implied.extend(rest.map(|span| ParentSpan {
            tree: Tree::Administration,
            span,
            parent_id: link.parent_id,
        }));
    }
    implied.sort_by_key(|it| it.span.from);
    implied
}
