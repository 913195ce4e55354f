//! Counts what a roll-up covers, and names what was left out.
use std::collections::{HashMap, HashSet};

use super::{Coverage, LeftOut, LeftOutReason, cover::Node, told::UnitQuestion};
use crate::{fraction::Fraction, period::Period};

/// What became of the units.
pub(super) struct WalkedUnits<'a> {
    /// Each after the one above it.
    pub(super) nodes: &'a [Node],
    /// Units of the cover, and those below them.
    pub(super) covered: &'a HashSet<i64>,
    /// Units whose values cannot be used.
    pub(super) refused: &'a HashMap<i64, LeftOutReason>,
    /// Parts of the period that are not in the value of a unit.
    pub(super) missing: Vec<(i64, Period, LeftOutReason)>,
}

/// Counts the expected units, and names what was left out.
pub(super) fn counted(question: &UnitQuestion<'_>, of: WalkedUnits<'_>) -> Coverage {
    let WalkedUnits { nodes, covered, refused, missing } = of;
    let mut coverage = Coverage::default();
    let parts = missing.into_iter();
    let parts =
        parts.map(|(unit_id, part, reason)| LeftOut { unit_id, reason, period: Some(part) });
    coverage.left_out.extend(parts);
    let (mut all, mut told) = (Vec::new(), Vec::new());
    // Units below which there is: an expected one that is not covered, one of the cover, one with a value.
    let (mut open, mut used, mut heard) = (HashSet::new(), HashSet::new(), HashSet::new());
    for node in nodes.iter().rev() {
        let (id, expected) = (node.id, node.expected);
        let is_covered = covered.contains(&id);
        let missing = expected && !is_covered;
        let is_open = missing || open.contains(&id);
        coverage.expected += usize::from(expected);
        coverage.reported += usize::from(expected && is_covered);
        if let Some(weight) =
            question.region.weights.filter(|_| expected).and_then(|it| it.get(&id))
        {
            all.push(weight);
            told.extend(is_covered.then_some(weight));
        }
        let reason = refused.get(&id).copied();
        let named = match reason {
            None => missing.then_some(LeftOutReason::NotReported),
            Some(LeftOutReason::NotShared) => reason.filter(|_| missing),
            Some(LeftOutReason::SpansTarget) => reason.filter(|_| missing || !heard.contains(&id)),
            Some(_) => reason.filter(|_| is_open || !used.contains(&id)),
        };
        if let Some(reason) = named {
            coverage.left_out.push(LeftOut { unit_id: id, reason, period: None });
        }
        let Some(above) = node.above else { continue };
        if is_open {
            open.insert(above);
        }
        if is_covered || used.contains(&id) {
            used.insert(above);
        }
        let valued = reason.is_some_and(|it| it.has_value());
        if is_covered || valued || heard.contains(&id) {
            heard.insert(above);
        }
    }
    // The sort is stable: of one unit, the parts stay in order.
    coverage.left_out.sort_by_key(|it| it.unit_id);
    coverage.complete = coverage.reported == coverage.expected && coverage.left_out.is_empty();
    coverage.weight_share = question.region.weights.and_then(|_| {
        let share = Fraction::sum(told).div(&Fraction::sum(all))?;
        Some(share.rounded())
    });
    coverage
}
