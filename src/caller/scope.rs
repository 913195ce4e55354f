//! The units inside an agreement, each on the days on which it is: what a unit once was below opens nothing of today.
use std::collections::{BTreeMap, BTreeSet};

use crate::time::{Day, Span};

/// Units, and the days on which they are inside.
///
/// A datum is judged by the day that it speaks of: the last day of its period, or the day on which a dossier was
/// received; of a unit that closed before, by its last day.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnitScope {
    /// Inside whenever they stand.
    always: BTreeSet<i64>,
    /// Inside on some days only, in their order.
    sometimes: BTreeMap<i64, Vec<Span>>,
}

/// All days.
const EVER: Span = Span { from: Day::FIRST, to: Day::LAST };

impl UnitScope {
    /// Adds the days on which a unit is inside, of those on which it stands.
    pub fn add(&mut self, unit_id: i64, stands: Span, days: impl IntoIterator<Item = Span>) {
        // Nothing speaks of a day before a unit stood; what speaks of one after, is judged by its last day.
        let judged = |days: Span| Span {
            from: if days.from <= stands.from { Day::FIRST } else { days.from },
            to: if days.to >= stands.to { Day::LAST } else { days.to },
        };
        let mut days: Vec<Span> =
            days.into_iter().filter(|it| !it.is_empty()).map(judged).collect();
        days.extend(self.sometimes.remove(&unit_id).unwrap_or_default());
        if self.always.contains(&unit_id) || days.is_empty() {
            return;
        }
        let days = joined(days);
        if days == [EVER] {
            self.always.insert(unit_id);
        } else {
            self.sometimes.insert(unit_id, days);
        }
    }

    /// Whether a unit is inside on a day.
    pub fn has(&self, unit_id: i64, day: Day) -> bool {
        self.always.contains(&unit_id) || self.days(unit_id).iter().any(|it| it.contains(day))
    }

    /// Whether a unit is inside on any day.
    pub fn has_ever(&self, unit_id: i64) -> bool {
        self.always.contains(&unit_id) || self.sometimes.contains_key(&unit_id)
    }

    /// Whether a unit is inside whenever it stands.
    pub fn has_always(&self, unit_id: i64) -> bool {
        self.always.contains(&unit_id)
    }

    /// The units that are inside on any day.
    pub fn ever(&self) -> impl Iterator<Item = i64> {
        self.always.iter().chain(self.sometimes.keys()).copied()
    }

    /// The units that are inside whenever they stand.
    pub fn always(&self) -> &BTreeSet<i64> {
        &self.always
    }

    /// The units that are inside on some days only, by those days.
    pub fn sometimes(&self) -> BTreeMap<(Day, Day), Vec<i64>> {
        let mut by_days: BTreeMap<_, Vec<i64>> = BTreeMap::new();
        for (unit_id, days) in &self.sometimes {
            for it in days {
                by_days.entry((it.from, it.to)).or_default().push(*unit_id);
            }
        }
        by_days
    }

    /// Whether everything that another one has is inside.
    pub fn includes(&self, other: &Self) -> bool {
        self.widened(other, |_| true).is_none()
    }

    /// A unit that another scope has on more days, among those that count.
    pub fn widened(&self, to: &Self, counts: impl Fn(i64) -> bool) -> Option<i64> {
        let is_wider = |it: &i64| {
            let (had, has) = (self.days(*it), to.days(*it));
            let is_inside =
                |days: &Span| had.iter().any(|it| it.from <= days.from && days.to <= it.to);
            !has.iter().all(is_inside)
        };
        to.ever().filter(|it| counts(*it)).find(is_wider)
    }

    fn days(&self, unit_id: i64) -> &[Span] {
        if self.always.contains(&unit_id) {
            return &[EVER];
        }
        self.sometimes.get(&unit_id).map_or(&[], Vec::as_slice)
    }
}

/// Days in their order, with no two stretches that touch.
fn joined(mut days: Vec<Span>) -> Vec<Span> {
    days.sort_by_key(|it| (it.from, it.to));
    let mut joined: Vec<Span> = Vec::with_capacity(days.len());
    for it in days {
        match joined.last_mut() {
            Some(last) if last.to == Day::LAST || it.from <= last.to.next() => {
                last.to = last.to.max(it.to);
            }
            Some(_) | None => joined.push(it),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(from: &str, to: &str) -> Span {
        Span { from: day(from), to: day(to) }
    }

    fn day(text: &str) -> Day {
        Day::parse(text).unwrap()
    }

    #[test]
    fn what_a_unit_was_below_opens_those_days_only() {
        let mut scope = UnitScope::default();
        scope.add(1, EVER, [span("2015-01-01", "2021-12-31")]);
        assert!(scope.has(1, day("2021-12-31")) && !scope.has(1, day("2022-01-01")));
        assert!(scope.has_ever(1) && !scope.has_always(1) && !scope.has_ever(2));
        scope.add(1, EVER, [span("2022-01-01", "2022-06-30")]);
        assert_eq!(scope.sometimes().len(), 1, "days that touch are one stretch");
        assert!(scope.has(1, day("2022-01-01")));
    }

    #[test]
    fn a_unit_that_closed_is_judged_by_its_last_day() {
        let stood = span("2000-01-01", "2025-06-30");
        let mut scope = UnitScope::default();
        scope.add(1, stood, [stood]);
        assert!(scope.has_always(1));
        scope.add(2, stood, [span("2010-01-01", "2025-06-30")]);
        assert!(scope.has(2, day("2025-12-31")) && !scope.has(2, day("2009-12-31")));
        scope.add(3, stood, [span("2000-01-01", "2009-12-31")]);
        assert!(!scope.has(3, day("2025-12-31")));
    }

    #[test]
    fn more_days_are_wider_and_fewer_are_not() {
        let of = |days: &[Span]| {
            let mut scope = UnitScope::default();
            scope.add(1, EVER, days.iter().copied());
            scope
        };
        let (two, one) = (
            of(&[span("2015-01-01", "2015-12-31"), span("2017-01-01", "2017-12-31")]),
            of(&[span("2015-01-01", "2015-12-31")]),
        );
        assert_eq!(one.widened(&two, |_| true), Some(1));
        assert_eq!(one.widened(&two, |it| it != 1), None);
        assert_eq!(two.widened(&one, |_| true), None);
        assert!(two.includes(&one) && !one.includes(&two) && of(&[EVER]).includes(&two));
    }
}
