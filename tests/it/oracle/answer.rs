//! What the oracle answers, once it has found out what speaks for what.
use std::collections::BTreeSet;

use sharehub::pb;

use super::{
    ask::{Made, Own},
    fraction::{Fraction, ZERO, over},
    naive::{Answer, Desk, Speaker, Told},
    rules::{Amount, combine, mean_of_shares, together},
};
use pb::{LeftOutReason as Why, TimeRule, UnitRule};

impl Desk<'_> {
    /// The part of the period in which a unit stood: which months' worth, or which days.
    fn stood(&self, it: &Speaker) -> (BTreeSet<i32>, usize) {
        let ask = self.ask;
        let unit = &ask.world.units[it.unit];
        let (Made::Of(parts), true) = (ask.made(true), it.by_parts) else {
            let days = unit.from.max(ask.period.from)..=unit.to.min(ask.period.to);
            return (days.collect(), usize::try_from(ask.period.to - ask.period.from + 1).unwrap());
        };
        let inside = parts.iter().filter(|part| ask.meets(it.unit, part));
        (inside.map(|it| it.from).collect(), parts.len())
    }

    fn territory(&self, group: &[Speaker]) -> Option<Amount> {
        let ask = self.ask;
        let amounts: Vec<Amount> = group.iter().map(|it| it.amount).collect();
        if amounts.len() == 1 {
            return amounts.first().copied();
        }
        if ask.rule() == UnitRule::Ratio || ask.time() == TimeRule::Ratio {
            return combine(UnitRule::Ratio, &amounts);
        }
        if ask.time() != TimeRule::Mean {
            return combine(UnitRule::Sum, &amounts);
        }
        let number = |it: usize| i128::try_from(it).unwrap();
        let stood: Vec<_> = group.iter().map(|it| self.stood(it)).collect();
        let shares: Vec<_> =
            stood.iter().map(|(inside, all)| over(number(inside.len()), number(*all))).collect();
        if ask.rule() != UnitRule::Sum {
            return mean_of_shares(
                &amounts,
                &shares,
                shares.iter().copied().fold(ZERO, Fraction::plus),
            );
        }
        let joint = match group.iter().all(|it| it.by_parts) {
            true => {
                let all: BTreeSet<_> = stood.iter().flat_map(|it| it.0.clone()).collect();
                over(number(all.len()), number(stood[0].1))
            }
            false => {
                let Made::Of(parts) = ask.made(true) else {
                    return self.by_days(group, &amounts, &shares);
                };
                let days = |it: &Speaker| -> BTreeSet<i32> {
                    if !it.by_parts {
                        return self.stood(it).0;
                    }
                    let inside = parts.iter().filter(|part| ask.meets(it.unit, part));
                    inside.flat_map(|it| it.from..=it.to).collect()
                };
                let all: BTreeSet<i32> = group.iter().flat_map(days).collect();
                over(number(all.len()), i128::from(ask.period.to - ask.period.from + 1))
            }
        };
        mean_of_shares(&amounts, &shares, joint)
    }

    fn by_days(
        &self,
        group: &[Speaker],
        amounts: &[Amount],
        shares: &[Fraction],
    ) -> Option<Amount> {
        let all: BTreeSet<i32> = group.iter().flat_map(|it| self.stood(it).0).collect();
        let days = i128::from(self.ask.period.to - self.ask.period.from + 1);
        mean_of_shares(amounts, shares, over(i128::try_from(all.len()).unwrap(), days))
    }

    pub fn finish(mut self) -> Answer {
        let ask = self.ask;
        self.lack_itself();
        let missing: Vec<usize> = self.expected.difference(&self.covered).copied().collect();
        if let Made::Not(parts, refusal) = ask.made(true) {
            let spoken = !self.used.is_empty() || !self.bad.is_empty();
            let otherwise = missing.iter().any(|unit| {
                !self.bad.contains_key(unit)
                    && parts.iter().any(|it| ask.row(*unit, &it.code).is_some())
            });
            if !spoken || otherwise {
                return Err(refusal);
            }
        }
        let groups: Vec<(usize, Amount)> = self
            .speakers
            .iter()
            .zip(&self.weighed)
            .filter(|it| !it.0.is_empty())
            .filter_map(|(it, unit)| Some((*unit, self.territory(it)?)))
            .collect();
        let (units, groups): (Vec<usize>, Vec<Amount>) = groups.into_iter().unzip();
        let sum_of = |all: &[Fraction]| all.iter().copied().fold(ZERO, Fraction::plus);
        let weights = |units: &[usize]| -> Vec<Fraction> {
            units.iter().filter_map(|it| ask.weight(*it)).collect()
        };
        let amount = match ask.rule() {
            UnitRule::Mean if ask.weighs() => {
                let weights = weights(&units);
                mean_of_shares(&groups, &weights, sum_of(&weights))
            }
            UnitRule::Mean if !groups.is_empty() => {
                let all: Vec<Amount> = groups.iter().chain(&self.between).copied().collect();
                let sum = all.iter().map(|it| it.value).fold(ZERO, Fraction::plus);
                together(sum.by(over(i128::try_from(groups.len()).unwrap(), 1)), None, &all)
            }
            rule => combine(rule, &groups),
        };
        let mut left_out: BTreeSet<(usize, String, i32)> = BTreeSet::new();
        for (unit, part, why) in &self.lacks {
            left_out.insert((*unit, part.clone(), i32::from(*why)));
        }
        for (unit, _) in &self.nodes {
            if let Some(why) = self.named(*unit) {
                left_out.insert((*unit, String::new(), i32::from(why)));
            }
        }
        let told: Vec<usize> = self.expected.intersection(&self.covered).copied().collect();
        let reported = told.len();
        let all: Vec<usize> = self.expected.iter().copied().collect();
        let share = sum_of(&weights(&told)).by(sum_of(&weights(&all)));
        Ok(Told {
            value: amount.map(|it| it.value.shown()),
            qualifier: amount.map_or(pb::ValueQualifier::Unspecified, |it| it.how),
            status: amount.map_or(pb::ObservationStatus::Unspecified, |it| it.status),
            expected: self.expected.len(),
            reported,
            complete: reported == self.expected.len() && left_out.is_empty(),
            weight_share: share.filter(|_| ask.weighs()).map(Fraction::shown),
            left_out,
        })
    }

    /// The unit asked for is not in its own sum, and may lack in it; so do parts in which nothing of it stood.
    fn lack_itself(&mut self) {
        let ask = self.ask;
        let adds = !matches!(ask.time(), TimeRule::Last | TimeRule::None);
        let there = ask.date.is_none() || self.nodes.iter().any(|it| it.0 == ask.unit);
        let closed = !ask.stands(ask.unit, ask.period.to);
        let others = !self.expected.is_empty();
        if there && ask.is_commune(ask.unit) && self.level(ask.unit) && others && (adds || !closed)
        {
            let inside = ask.date.is_none()
                || closed
                || self.lies(ask.unit, ask.period.to).is_some_and(|it| it.0);
            if inside {
                self.expected.insert(ask.unit);
                if self.nodes.iter().all(|it| it.0 != ask.unit) {
                    self.nodes.push((ask.unit, None));
                }
                if !matches!(ask.own(ask.unit, true), Own::Silent) {
                    self.bad.insert(ask.unit, Why::Itself);
                }
            }
        }
        let Made::Of(parts) = ask.made(true) else { return };
        if parts.len() == 1 || ask.time() == TimeRule::Last {
            return;
        }
        for part in parts {
            let inside = |unit: usize| {
                unit != ask.unit
                    && ask.meets(unit, &part)
                    && match ask.stands(unit, ask.period.to) {
                        true if ask.date.is_none() => true,
                        true => self.lies(unit, ask.period.to).is_some_and(|it| it.0),
                        false => true,
                    }
            };
            let nobody = !self.nodes.iter().any(|it| inside(it.0));
            if nobody && !ask.meets(ask.unit, &part) {
                self.lacks.push((ask.unit, part.code.clone(), Why::UnitNotValid));
            }
        }
    }

    /// Why a unit is named, if it is.
    fn named(&self, unit: usize) -> Option<Why> {
        let beneath: Vec<usize> =
            self.nodes.iter().map(|it| it.0).filter(|it| self.hangs(*it, unit)).collect();
        let open = |it: &usize| self.expected.contains(it) && !self.covered.contains(it);
        let valued = |it: &usize| {
            self.covered.contains(it) || self.bad.get(it).is_some_and(|it| *it != Why::NoValue)
        };
        match self.bad.get(&unit) {
            None => open(&unit).then_some(Why::NotReported),
            Some(Why::SpansTarget) => {
                let named = open(&unit) || !beneath.iter().any(valued);
                named.then_some(Why::SpansTarget)
            }
            Some(why) => {
                let named = open(&unit)
                    || beneath.iter().any(open)
                    || !beneath.iter().any(|it| self.covered.contains(it));
                named.then_some(*why)
            }
        }
    }

    fn hangs(&self, unit: usize, below: usize) -> bool {
        let up = |it: usize| self.nodes.iter().find(|node| node.0 == it).and_then(|it| it.1);
        std::iter::successors(up(unit), |it| up(*it)).any(|it| it == below)
    }
}
