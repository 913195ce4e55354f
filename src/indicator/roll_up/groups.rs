//! Values that speak for one territory at different times of a period: a unit's, and those of what it came from.
use std::collections::{BTreeSet, HashMap};

use super::{
    LeftOutReason,
    amount::{Amount, How, together, weighted},
    plan::{Stood, joint, share},
    told::{Told, UnitQuestion},
};
use crate::{fraction::Fraction, indicator::TimeRule, time::Span};

/// The values of a cover. Each group counts as one unit.
#[derive(Debug, Default)]
pub(super) struct Groups {
    all: Vec<OneTerritory>,
    by_unit: HashMap<i64, usize>,
    /// Groups of units that closed, by their one successor, which has no value.
    stand_ins: HashMap<i64, usize>,
    /// Values that belong to several groups at once.
    between: Vec<Amount>,
}

#[derive(Debug)]
struct OneTerritory {
    /// The unit whose weight it has.
    unit_id: i64,
    members: Vec<(Amount, Stood)>,
}

impl Groups {
    /// Adds a unit by itself.
    pub(super) fn put(
        &mut self,
        question: &UnitQuestion<'_>,
        unit_id: i64,
        span: Span,
        told: &Told,
    ) {
        self.all.push(OneTerritory { unit_id, members: vec![member(question, span, told)] });
        self.by_unit.insert(unit_id, self.all.len() - 1);
    }

    /// Adds a unit that closed inside the period to what covers its successors, or puts it in their place where none
    /// of them has a value.
    pub(super) fn join(
        &mut self,
        question: &UnitQuestion<'_>,
        (unit_id, span): (i64, Span),
        told: &Told,
        heirs: &BTreeSet<i64>,
        covers: &BTreeSet<i64>,
    ) -> Result<(), LeftOutReason> {
        let covered: BTreeSet<usize> =
            covers.iter().filter_map(|it| self.by_unit.get(it)).copied().collect();
        // A successor without a value of its own is a territory, too.
        let silent = covers.iter().any(|it| !self.by_unit.contains_key(it));
        let member = member(question, span, told);
        match covered.first().copied() {
            None => self.stand_in(question, unit_id, member, heirs),
            Some(place) if covered.len() == 1 && !silent => self.add(question, place, member),
            Some(_) => self.divide(question, covered, member),
        }
    }

    /// Puts a value in the place of successors of which none has one. Those with the same one successor stand together.
    fn stand_in(
        &mut self,
        question: &UnitQuestion<'_>,
        unit_id: i64,
        member: (Amount, Stood),
        heirs: &BTreeSet<i64>,
    ) -> Result<(), LeftOutReason> {
        let lone = heirs.first().copied().filter(|_| heirs.len() == 1);
        if let Some(place) = lone.and_then(|it| self.stand_ins.get(&it)) {
            return self.add(question, *place, member);
        }
        let unit_id = lone.unwrap_or(unit_id);
        if question.lacks_weight(unit_id) {
            return Err(LeftOutReason::NoWeight);
        }
        self.all.push(OneTerritory { unit_id, members: vec![member] });
        self.stand_ins.extend(lone.map(|it| (it, self.all.len() - 1)));
        Ok(())
    }

    fn add(
        &mut self,
        question: &UnitQuestion<'_>,
        place: usize,
        member: (Amount, Stood),
    ) -> Result<(), LeftOutReason> {
        let Some(group) = self.all.get_mut(place) else { return Ok(()) };
        let by_ratio = question.how == Some(How::Ratio)
            || question.region.meaning.time_rule == TimeRule::Ratio;
        let bare = |(it, _): &(Amount, Stood)| it.components.is_none();
        if by_ratio && (bare(&member) || group.members.iter().any(bare)) {
            return Err(LeftOutReason::NoComponents);
        }
        group.members.push(member);
        Ok(())
    }

    /// Adds a value that belongs to several groups, where it need not be divided among them.
    fn divide(
        &mut self,
        question: &UnitQuestion<'_>,
        mut places: BTreeSet<usize>,
        member: (Amount, Stood),
    ) -> Result<(), LeftOutReason> {
        let time_rule = question.region.meaning.time_rule;
        match question.how {
            // All of them go into one sum: together they are one territory.
            Some(How::Sum | How::Ratio) => {
                let Some(first) = places.pop_first() else { return Ok(()) };
                for place in places {
                    let moved = self.all.get_mut(place).map(|it| std::mem::take(&mut it.members));
                    if let Some(group) = self.all.get_mut(first) {
                        group.members.extend(moved.unwrap_or_default());
                    }
                    for at in self.by_unit.values_mut().filter(|it| **it == place) {
                        *at = first;
                    }
                }
                self.add(question, first, member)
            }
            Some(How::Mean) if time_rule == TimeRule::Sum && question.region.weights.is_none() => {
                self.between.push(member.0);
                Ok(())
            }
            Some(How::Mean | How::Max | How::Min | How::Last) | None => {
                Err(LeftOutReason::SplitWithoutWeight)
            }
        }
    }

    /// Combines the groups over units.
    pub(super) fn combine(self, question: &UnitQuestion<'_>) -> Option<Amount> {
        let how = question.how?;
        let meaning = question.region.meaning;
        let groups: Vec<_> = self.all.into_iter().filter(|it| !it.members.is_empty()).collect();
        let valued = groups.into_iter().filter_map(|it| Some((it.unit_id, it.value(question)?)));
        let (units, mut amounts): (Vec<i64>, Vec<Amount>) = valued.unzip();
        if how != How::Mean {
            return how.combine(meaning, &amounts);
        }
        if let Some(weights) = question.region.weights {
            let weights: Vec<_> = units
                .iter()
                .map(|it| weights.get(it).cloned().unwrap_or_else(Fraction::zero))
                .collect();
            return weighted(&amounts, &weights);
        }
        let count = Fraction::count(amounts.len());
        amounts.extend(self.between);
        let sum = Fraction::sum(amounts.iter().map(|it| &it.value));
        together(sum.div(&count)?, None, &amounts)
    }
}

impl OneTerritory {
    /// The value of one territory over the whole period.
    ///
    /// One value speaks for itself. Several are added by the rule over time: counts add up, ratios add their
    /// components. Means weigh by the share of the period in which each unit stood; where units add up, units that
    /// stood at the same time add up as well, and so it is the mean over time of their sum.
    fn value(self, question: &UnitQuestion<'_>) -> Option<Amount> {
        let UnitQuestion { region, plan, readings: _, how } = question;
        let (amounts, stood): (Vec<_>, Vec<_>) = self.members.into_iter().unzip();
        if amounts.len() == 1 {
            return amounts.into_iter().next();
        }
        match region.meaning.time_rule {
            _ if *how == Some(How::Ratio) => How::Ratio.combine(region.meaning, &amounts),
            TimeRule::Ratio => How::Ratio.combine(region.meaning, &amounts),
            TimeRule::Mean => {
                let shares: Vec<_> = stood.iter().map(|it| ratio(share(it, plan))).collect();
                if *how != Some(How::Sum) {
                    return weighted(&amounts, &shares);
                }
                let all = amounts.iter().zip(&shares).map(|(it, by)| it.value.mul(by));
                let sum = Fraction::sum(&all.collect::<Vec<_>>());
                together(sum.div(&ratio(joint(stood.iter(), plan)))?, None, &amounts)
            }
            TimeRule::Sum | TimeRule::Last | TimeRule::None => {
                How::Sum.combine(region.meaning, &amounts)
            }
        }
    }
}

fn member(question: &UnitQuestion<'_>, span: Span, told: &Told) -> (Amount, Stood) {
    (told.amount.clone(), question.plan.stood(span, told.by_parts))
}

fn ratio((of, all): (usize, usize)) -> Fraction {
    Fraction::count(of).div(&Fraction::count(all)).unwrap_or_else(Fraction::zero)
}
