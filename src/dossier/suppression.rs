//! Small counts are suppressed, together with those that would give them away.
//!
//! **The table.** Under `national-766-received` a dossier is in one cell for good: its receiving unit, procedure,
//! channel, month of acceptance, and bucket at the end of that month. No dossier is in two months, and a figure over
//! several months is a sum that is shown only if it is shown of each of them. So one month can be judged alone.
//!
//! **What can be shown of a month** of N dossiers, none of it where N is below the least count k. Else N, and:
//!
//! - of units, of procedures and of channels, each by its own: the sums of those that have k or more, and by that the
//!   sum of the others together, which are hidden;
//! - of each *open* unit, one that is not hidden and has in every bucket none or k or more: its buckets;
//! - of all units that are not open, together: the buckets that have k or more, and the sum of the others together.
//!
//! Whoever has the sum of h hidden ones may know that none of them is 0. So the sum must reach k + h - 1, or the
//! smallest of those beside them (the complement) is hidden too; where all would be, nothing of that dimension is
//! shown. A question names one of unit, procedure and channel at most: what an answer shows is a sum of these sums.
//!
//! **Why no count from 1 to k - 1 follows**, by whatever arithmetic, from all answers together. Take a cell of a unit,
//! a procedure, a channel and a bucket, of which none is known to have nothing. There is a table that gives the same
//! answers and has k or more in that cell:
//!
//! - Each hidden sum can be that of 1 in each of the other hidden ones, and of k or more in the one of the cell.
//! - If the unit is open, its bucket is shown, and has k or more. If not, units and buckets of those that are not open
//!   are known by two lists of sums with one total. Put the smaller of the two that meet in the cell there, k or more,
//!   and spread what is left of both lists over one another: what is left has one total too, so it goes up.
//! - Unit and bucket as one list, procedures, and channels are three lists with the total N. Likewise put the smallest
//!   of the three that meet in the cell there, and spread the rest.
//!
//! So nobody can say that it has 1 to k - 1. A sum of cells has k or more where one of its cells has.
//!
//! The argument is about arithmetic, at one revision. What is corrected between two answers shows in their difference.
//! And whoever reasons from this rule, too, knows that it hides nothing without a cause, and may narrow down what is
//! hidden in a table of very few cells; no counts that are exact are free of that.
use std::collections::{BTreeMap, BTreeSet};

use super::{
    SubmissionChannel,
    national_766::{Bucket, DossierCounts},
};
use crate::decimal::Decimal;

/// What is counted of one month, by what can be asked.
#[derive(Clone, Debug, Default)]
pub struct MonthTable {
    units: BTreeMap<i64, BTreeMap<Bucket, i64>>,
    procedures: BTreeMap<i64, i64>,
    channels: BTreeMap<SubmissionChannel, i64>,
}

/// Which dossiers of a month a figure is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Slice {
    /// All of them.
    Everything,
    /// Those that these units received.
    Units(BTreeSet<i64>),
    /// Those of a procedure.
    Procedure(i64),
    /// Those of a channel.
    Channel(SubmissionChannel),
}

/// What can be shown of one month.
#[derive(Clone, Debug)]
pub struct ShownMonth {
    total: i64,
    units: Partition<i64>,
    procedures: Partition<i64>,
    channels: Partition<SubmissionChannel>,
    /// The buckets of each open unit.
    open: BTreeMap<i64, BTreeMap<Bucket, i64>>,
    /// The buckets of all other units together.
    others: Partition<Bucket>,
}

/// Sums of one dimension: those that are shown, and the others together.
#[derive(Clone, Debug)]
struct Partition<K> {
    shown: BTreeMap<K, i64>,
    hidden: BTreeSet<K>,
    /// The sum of those that are hidden.
    rest: i64,
    /// Whether nothing of it can be shown, not even what has none.
    closed: bool,
}

/// Counts, as far as they can be shown; what is suppressed is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartialCounts {
    /// [`DossierCounts::received`].
    pub received: Option<i64>,
    /// [`DossierCounts::received_online`].
    pub received_online: Option<i64>,
    /// Of each of [`Bucket::ALL`], in that order.
    pub buckets: [Option<i64>; 10],
    /// [`DossierCounts::numerator`].
    pub numerator: Option<i64>,
    /// [`DossierCounts::denominator`].
    pub denominator: Option<i64>,
}

impl MonthTable {
    /// Counts one dossier.
    pub fn count(&mut self, unit: i64, procedure: i64, channel: SubmissionChannel, bucket: Bucket) {
        *self.units.entry(unit).or_default().entry(bucket).or_default() += 1;
        *self.procedures.entry(procedure).or_default() += 1;
        *self.channels.entry(channel).or_default() += 1;
    }

    /// What can be shown of it, where no count from 1 to `least` - 1 may be.
    pub fn shown(self, least: i64) -> ShownMonth {
        let Self { units, procedures, channels } = self;
        let received = units.iter().map(|(unit, it)| (*unit, it.values().sum()));
        let received: BTreeMap<i64, i64> = received.collect();
        let total = received.values().sum();
        if total < least {
            return ShownMonth::nothing();
        }
        let by_unit = Partition::new(received, least);
        let (mut open, mut others) = (BTreeMap::new(), BTreeMap::new());
        for (unit, buckets) in units {
            if by_unit.shown.contains_key(&unit) && buckets.values().all(|it| *it >= least) {
                open.insert(unit, buckets);
                continue;
            }
            for (bucket, count) in buckets {
                *others.entry(bucket).or_default() += count;
            }
        }
        ShownMonth {
            total,
            units: by_unit,
            procedures: Partition::new(procedures, least),
            channels: Partition::new(channels, least),
            open,
            others: Partition::new(others, least),
        }
    }
}

impl<K: Ord + Copy> Partition<K> {
    fn new(counts: BTreeMap<K, i64>, least: i64) -> Self {
        let (mut shown, small): (BTreeMap<_, _>, BTreeMap<_, _>) =
            counts.into_iter().partition(|(_, count)| *count >= least);
        let mut rest: i64 = small.values().sum();
        let mut hidden: BTreeSet<K> = small.into_keys().collect();
        let enough = |hidden: &BTreeSet<K>| {
            i64::try_from(hidden.len()).unwrap_or(i64::MAX).saturating_add(least - 1)
        };
        while !hidden.is_empty() && rest < enough(&hidden) {
            let smallest = shown.iter().min_by_key(|(key, count)| (**count, **key));
            let Some((key, count)) = smallest.map(|(key, count)| (*key, *count)) else {
                return Self { shown, hidden, rest, closed: true };
            };
            shown.remove(&key);
            hidden.insert(key);
            rest += count;
        }
        Self { shown, hidden, rest, closed: false }
    }

    /// The sum of some, if it is a sum of what can be shown.
    fn sum(&self, is_wanted: impl Fn(&K) -> bool) -> Option<i64> {
        if self.closed {
            return None;
        }
        let hidden = self.hidden.iter().filter(|it| is_wanted(it)).count();
        let rest = if hidden == 0 {
            0
        } else if hidden == self.hidden.len() {
            self.rest
        } else {
            return None;
        };
        let shown = self.shown.iter().filter(|(key, _)| is_wanted(key));
        Some(shown.map(|(_, count)| count).sum::<i64>() + rest)
    }
}

impl ShownMonth {
    /// Nothing of it is shown, not even whether there is something.
    fn nothing() -> Self {
        fn closed<K>() -> Partition<K> {
            let (shown, hidden) = (BTreeMap::new(), BTreeSet::new());
            Partition { shown, hidden, rest: 0, closed: true }
        }
        Self {
            total: 0,
            units: closed(),
            procedures: closed(),
            channels: closed(),
            open: BTreeMap::new(),
            others: closed(),
        }
    }

    /// The units that are shown each by its own.
    pub fn units(&self) -> impl Iterator<Item = i64> {
        self.units.shown.keys().copied()
    }

    /// Likewise the procedures.
    pub fn procedures(&self) -> impl Iterator<Item = i64> {
        self.procedures.shown.keys().copied()
    }

    /// Likewise the channels.
    pub fn channels(&self) -> impl Iterator<Item = SubmissionChannel> {
        self.channels.shown.keys().copied()
    }

    /// The counts of some of its dossiers, as far as they can be shown.
    pub fn counts(&self, slice: &Slice) -> PartialCounts {
        let (received, online) = match slice {
            Slice::Everything => {
                let online = self.channels.sum(|it| *it == SubmissionChannel::Online);
                ((self.total > 0).then_some(self.total), online)
            }
            Slice::Units(units) => (self.units.sum(|it| units.contains(it)), None),
            Slice::Procedure(one) => (self.procedures.sum(|it| it == one), None),
            Slice::Channel(one) => {
                let received = self.channels.sum(|it| it == one);
                let is_online = *one == SubmissionChannel::Online;
                (received, if is_online { received } else { Some(0) })
            }
        };
        if received == Some(0) {
            return PartialCounts::default();
        }
        let of = |buckets: &[Bucket]| match slice {
            _ if buckets.len() == Bucket::ALL.len() => received,
            Slice::Everything => {
                let open: i64 = self.open.values().map(|it| sum_of(it, buckets)).sum();
                self.others.sum(|it| buckets.contains(it)).map(|it| it + open)
            }
            Slice::Units(units) => {
                // Each of them that has something must be open.
                received?;
                let is_closed = |it: &&i64| units.contains(*it) && !self.open.contains_key(*it);
                if self.units.shown.keys().chain(&self.units.hidden).any(|it| is_closed(&it)) {
                    return None;
                }
                let open = self.open.iter().filter(|(unit, _)| units.contains(unit));
                Some(open.map(|(_, it)| sum_of(it, buckets)).sum())
            }
            Slice::Procedure(_) | Slice::Channel(_) => None,
        };
        PartialCounts {
            received,
            received_online: online,
            buckets: Bucket::ALL.map(|it| of(&[it])),
            numerator: of(&Bucket::IN_TIME),
            denominator: of(&Bucket::JUDGED),
        }
    }
}

fn sum_of(counts: &BTreeMap<Bucket, i64>, buckets: &[Bucket]) -> i64 {
    buckets.iter().filter_map(|it| counts.get(it)).sum()
}

impl Default for PartialCounts {
    /// Of nothing.
    fn default() -> Self {
        let none = Some(0);
        Self {
            received: none,
            received_online: none,
            buckets: [none; 10],
            numerator: none,
            denominator: none,
        }
    }
}

impl PartialCounts {
    /// Adds those of other dossiers: what is suppressed of either is suppressed.
    #[must_use]
    pub fn plus(self, other: &Self) -> Self {
        let sum = |a: Option<i64>, b: Option<i64>| Some(a? + b?);
        let mut buckets = self.buckets;
        for (bucket, more) in buckets.iter_mut().zip(other.buckets) {
            *bucket = sum(*bucket, more);
        }
        Self {
            received: sum(self.received, other.received),
            received_online: sum(self.received_online, other.received_online),
            buckets,
            numerator: sum(self.numerator, other.numerator),
            denominator: sum(self.denominator, other.denominator),
        }
    }

    /// The rate of component 2.1, in percent; none of nothing, or where a part of it is suppressed.
    pub fn rate(&self) -> Option<Decimal> {
        let percent = Decimal::from_int(self.numerator?).mul(&Decimal::from_int(100));
        percent.div(&Decimal::from_int(self.denominator?))
    }

    /// All of them, if none is suppressed.
    pub fn whole(&self) -> Option<DossierCounts> {
        let mut whole = DossierCounts {
            received: self.received?,
            received_online: self.received_online?,
            ..DossierCounts::default()
        };
        for (bucket, count) in Bucket::ALL.into_iter().zip(self.buckets) {
            *whole.of_mut(bucket) = count?;
        }
        Some(whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use Bucket::{FinishedEarly, FinishedLate, FinishedOnTime, StoppedLate};
    use SubmissionChannel::{InPerson, Online};

    /// So many dossiers of a unit, a procedure, a channel and a bucket.
    type Cell = (i64, i64, SubmissionChannel, Bucket, i64);

    fn table(cells: &[Cell]) -> MonthTable {
        let mut table = MonthTable::default();
        for (unit, procedure, channel, bucket, count) in cells {
            for _ in 0..*count {
                table.count(*unit, *procedure, *channel, *bucket);
            }
        }
        table
    }

    fn received(month: &ShownMonth, slice: &Slice) -> Option<i64> {
        month.counts(slice).received
    }

    fn unit(id: i64) -> Slice {
        Slice::Units([id].into())
    }

    #[test]
    fn what_has_too_few_is_hidden_with_what_would_give_it_away() {
        let month = table(&[
            (1, 1, Online, FinishedEarly, 20),
            (2, 1, Online, FinishedEarly, 9),
            (3, 1, Online, FinishedEarly, 2),
        ]);
        let month = month.shown(5);
        assert_eq!(received(&month, &Slice::Everything), Some(31));
        assert_eq!(received(&month, &unit(1)), Some(20));
        // 31 - 20 - 9 would be 2.
        assert_eq!((received(&month, &unit(2)), received(&month, &unit(3))), (None, None));
        // Together they are no secret, and of what has nothing that is said.
        assert_eq!(received(&month, &Slice::Units([2, 3].into())), Some(11));
        assert_eq!(received(&month, &unit(4)), Some(0));
        assert_eq!(month.units().collect::<Vec<_>>(), [1]);
        assert_eq!(received(&month, &Slice::Procedure(1)), Some(31));
        assert_eq!(received(&month, &Slice::Channel(InPerson)), Some(0));
        assert_eq!(month.counts(&unit(1)).buckets[0], Some(20));
        assert_eq!(month.counts(&Slice::Everything).whole().map(|it| it.finished_early), Some(31));
    }

    #[test]
    fn nothing_is_said_of_fewer_than_the_least_not_even_whether_there_are_any() {
        let (few, none) = (table(&[(1, 1, Online, FinishedEarly, 4)]), MonthTable::default());
        for month in [few.shown(5), none.shown(5)] {
            for slice in [Slice::Everything, unit(1), unit(2), Slice::Procedure(1)] {
                let PartialCounts { received, buckets, numerator, .. } = month.counts(&slice);
                assert_eq!((received, buckets, numerator), (None, [None; 10], None), "{slice:?}");
            }
        }
    }

    #[test]
    fn two_that_have_one_each_are_not_given_away_by_their_sum() {
        // Whoever knows that neither is 0 would know both.
        let month = table(&[(1, 1, Online, FinishedEarly, 1), (2, 1, Online, FinishedEarly, 1)]);
        let month = month.shown(2);
        assert_eq!(received(&month, &Slice::Everything), Some(2));
        assert_eq!(received(&month, &unit(1)), None);
        assert_eq!(received(&month, &Slice::Units([1, 2].into())), None);
    }

    #[test]
    fn buckets_are_shown_of_units_that_have_none_or_enough_in_each() {
        let month = table(&[
            (1, 1, Online, FinishedEarly, 20),
            (1, 1, Online, FinishedLate, 6),
            (2, 2, InPerson, FinishedEarly, 30),
            (2, 2, InPerson, FinishedOnTime, 12),
            (2, 2, InPerson, StoppedLate, 1),
        ]);
        let month = month.shown(5);
        let one = month.counts(&unit(1));
        assert_eq!((one.received, one.buckets[2], one.numerator), (Some(26), Some(6), Some(20)));
        assert_eq!(one.rate(), Decimal::from_int(2_000).div(&Decimal::from_int(26)));
        // Of the second unit only the sum is, since the total of those stopped late is 1.
        let two = month.counts(&unit(2));
        assert_eq!((two.received, two.buckets, two.rate()), (Some(43), [None; 10], None));
        // Of both, what is not stopped late or its complement.
        let both = month.counts(&Slice::Everything);
        assert_eq!((both.buckets[0], both.buckets[2]), (Some(50), Some(6)));
        assert_eq!((both.buckets[1], both.buckets[8], both.buckets[9]), (None, None, Some(0)));
        assert_eq!((both.denominator, both.numerator, both.rate()), (Some(69), None, None));
        assert_eq!(both.received_online, Some(26));
    }
}
