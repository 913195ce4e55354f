//! The units below others, with their days: the units of an agreement.
use std::collections::BTreeMap;

use super::{Forest, Tree};
use crate::{
    caller::scope::UnitScope,
    time::{Day, Span},
};

impl Forest {
    /// These units and all that are below them in a tree, each with the days on which it is.
    pub fn inside(&self, tops: impl IntoIterator<Item = i64>, tree: Tree) -> UnitScope {
        let ever = Span { from: Day::FIRST, to: Day::LAST };
        let mut found: BTreeMap<i64, Vec<Span>> = BTreeMap::new();
        let mut next: Vec<(i64, Span)> = tops.into_iter().map(|it| (it, ever)).collect();
        while let Some((id, days)) = next.pop() {
            let known = found.entry(id).or_default();
            // Bad links may form a cycle.
            if known.iter().any(|it| it.from <= days.from && days.to <= it.to) {
                continue;
            }
            known.push(days);
            for (link, child) in self.links_below(id, tree) {
                let Some(stands) = self.get(child).map(|it| it.span) else { continue };
                let days = link.cut(days).cut(stands);
                if !days.is_empty() {
                    next.push((child, days));
                }
            }
        }
        let mut scope = UnitScope::default();
        for (id, days) in found {
            let stands = self.get(id).map_or(ever, |it| it.span);
            scope.add(id, stands, days);
        }
        scope
    }

    /// The links to the units directly below, each with its days.
    fn links_below(&self, id: i64, tree: Tree) -> Vec<(Span, i64)> {
        match tree {
            Tree::Territory => self.published(id, tree).to_vec(),
            Tree::Administration => self.administration_links(id),
        }
    }
}
