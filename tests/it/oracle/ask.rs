//! What the oracle finds out about units: what each says of a period, and where its territory lies.
use std::collections::{BTreeMap, BTreeSet};

use sharehub::pb;

use super::{
    fraction::{Fraction, Period, over, period},
    rules::{Amount, combine},
    world::{Definition, Row, World},
};
use pb::{LeftOutReason as Why, TimeRule, UnitRule};

/// What is asked.
#[derive(Clone, Debug)]
pub struct Ask<'a> {
    pub world: &'a World,
    pub definition: &'a Definition,
    pub unit: usize,
    pub period: Period,
    /// The date of the tree; none as reported.
    pub date: Option<i32>,
    /// The category that is asked for; none for the total.
    pub category: Option<usize>,
}

/// A unit's own answer.
#[derive(Clone, Debug)]
pub enum Own {
    Silent,
    Bad(Why),
    Good { amount: Amount, lacks: Vec<(String, Why)>, by_parts: bool },
}

/// How the period is made of the periods of the frequency.
pub enum Made {
    /// It is one.
    Same,
    Of(Vec<Period>),
    /// It cannot be said why not.
    Not(Vec<Period>, &'static str),
}

impl<'a> Ask<'a> {
    pub fn time(&self) -> TimeRule {
        self.definition.wire.time_rule()
    }

    pub fn rule(&self) -> UnitRule {
        self.definition.wire.unit_rule()
    }

    /// Whether its means are weighted.
    pub fn weighs(&self) -> bool {
        !self.definition.wire.weight.is_empty() && self.rule() == UnitRule::Mean
    }

    /// What a unit weighs: for the same period, else for the one of the weight's own frequency around its last day.
    pub fn weight(&self, unit: usize) -> Option<Fraction> {
        let by = self.world.weights.as_ref()?;
        let of = |code: &str| {
            let value = by.rows.get(&(code.to_owned(), unit))?.value?;
            (value.n >= 0).then_some(value)
        };
        let each = by.each;
        let mut all =
            (0..12 / each).map(|it| period(self.period.year, (it * each, each), by.report, false));
        let around = all.find(|it| it.from <= self.period.to && self.period.to <= it.to);
        // The code by which the weight is kept: what is shorter than its own periods is named as what it is so far.
        let (first, count) = self.period.months;
        let so_far = first == 0 && count < each;
        let same = period(self.period.year, (first, count), by.report, so_far || count == 9);
        of(&same.code).or_else(|| around.and_then(|it| of(&it.code)))
    }

    pub fn made(&self, below: bool) -> Made {
        let (first, count) = self.period.months;
        let each = self.definition.each;
        if count == each {
            return Made::Same;
        }
        if count % each != 0 || first % each != 0 {
            return Made::Not(self.whole_ones(), "PERIOD_NOT_COMBINABLE");
        }
        let parts = self.whole_ones();
        let sums = matches!(self.time(), TimeRule::Sum | TimeRule::Mean);
        if parts.len() > 1
            && (self.time() == TimeRule::None || below && sums && self.rule() == UnitRule::Ratio)
        {
            return Made::Not(parts, "NOT_AGGREGABLE");
        }
        Made::Of(parts)
    }

    /// The periods of the frequency that end inside.
    pub fn whole_ones(&self) -> Vec<Period> {
        let each = self.definition.each;
        let all = (0..12 / each)
            .map(|it| period(self.period.year, (it * each, each), self.definition.report, false));
        all.filter(|it| self.period.from <= it.to && it.to <= self.period.to).collect()
    }

    pub fn stands(&self, unit: usize, on: i32) -> bool {
        let it = &self.world.units[unit];
        it.from <= on && on <= it.to
    }

    pub fn meets(&self, unit: usize, days: &Period) -> bool {
        let it = &self.world.units[unit];
        it.from <= days.to && days.from <= it.to
    }

    /// What is on record of a unit for a period: for the category that is asked for, or the total. A total that was not
    /// sent is made of its categories, or is known in part.
    pub fn row(&self, unit: usize, code: &str) -> Option<Result<Row, Why>> {
        let cell = (code.to_owned(), unit);
        let none = [None, None];
        let parts = self.definition.parts.get(&cell).unwrap_or(&none);
        if let Some(category) = self.category {
            return parts[category].clone().map(Ok);
        }
        if let Some(row) = self.definition.rows.get(&cell) {
            return Some(Ok(row.clone()));
        }
        if parts.iter().all(Option::is_none) {
            return None;
        }
        let ratio = self.definition.is_ratio();
        let amount = |row: &Option<Row>| self.amount(Ok(row.clone()?), ratio).ok();
        let Some(amounts) = parts.iter().map(amount).collect::<Option<Vec<_>>>() else {
            return Some(Err(Why::Partial));
        };
        let rule = if ratio { UnitRule::Ratio } else { UnitRule::Sum };
        let total = combine(rule, &amounts).unwrap();
        let components =
            total.both.map_or((None, None), |(above, below)| (Some(above), Some(below)));
        let value = (!ratio).then_some(total.value);
        Some(Ok(Row { value, components, qualifier: total.how, status: total.status }))
    }

    /// The amount of a row, or why there is none.
    pub fn amount(&self, row: Result<Row, Why>, components: bool) -> Result<Amount, Why> {
        let row = row?;
        let (above, below) = row.components;
        let both = above.zip(below);
        let exact = both.map(|(above, below)| above.times(over(100, 1)).by(below).unwrap());
        let value = exact.or(row.value).ok_or(Why::NoValue)?;
        if components && both.is_none() {
            return Err(Why::NoComponents);
        }
        Ok(Amount { value, both, how: row.qualifier, status: row.status })
    }

    pub fn own(&self, unit: usize, below: bool) -> Own {
        let by_ratio = below && self.rule() == UnitRule::Ratio;
        let mut bad = None;
        if let Some(row) = self.row(unit, &self.period.code) {
            match self.amount(row, by_ratio) {
                Ok(amount) => return Own::Good { amount, lacks: Vec::new(), by_parts: false },
                Err(why) => bad = Some(why),
            }
        }
        let Made::Of(parts) = self.made(below) else { return bad.map_or(Own::Silent, Own::Bad) };
        let lone = parts.len() == 1;
        let need = by_ratio || (self.time() == TimeRule::Ratio && !lone);
        let (mut good, mut lacks, mut late) = (Vec::new(), Vec::new(), None);
        for part in parts.iter().filter(|it| self.meets(unit, it)) {
            match self.row(unit, &part.code).map(|it| self.amount(it, need)) {
                None => lacks.push((part.code.clone(), Why::NotReported)),
                Some(Err(why)) => {
                    late = Some(why);
                    lacks.push((part.code.clone(), why));
                }
                Some(Ok(amount)) => good.push(amount),
            }
        }
        if good.is_empty() {
            return bad.or(late).map_or(Own::Silent, Own::Bad);
        }
        let made = match self.time() {
            _ if lone => good.last().copied(),
            TimeRule::Sum => combine(UnitRule::Sum, &good),
            TimeRule::Mean => combine(UnitRule::Mean, &good),
            TimeRule::Ratio => combine(UnitRule::Ratio, &good),
            _ => good.last().copied(),
        };
        let bad = bad.unwrap_or(Why::NoValue);
        made.map_or(Own::Bad(bad), |amount| Own::Good { amount, lacks, by_parts: true })
    }

    // === territory ===

    pub fn below(&self, unit: usize, on: i32) -> Vec<usize> {
        let all = 0..self.world.units.len();
        let is_child =
            |it: &usize| self.stands(*it, on) && self.world.parent(*it, on) == Some(unit);
        all.filter(is_child).collect()
    }

    pub fn all_below(&self, unit: usize, on: i32) -> BTreeSet<usize> {
        let mut all = BTreeSet::new();
        for child in self.below(unit, on) {
            all.insert(child);
            all.extend(self.all_below(child, on));
        }
        all
    }

    pub fn above(&self, unit: usize, on: i32) -> Vec<usize> {
        std::iter::successors(self.world.parent(unit, on), |it| self.world.parent(*it, on))
            .collect()
    }

    /// What stands for itself on a day: a commune, or a unit below which nothing is.
    pub fn is_leaf(&self, unit: usize, on: i32) -> bool {
        self.is_commune(unit) || self.below(unit, on).is_empty()
    }

    pub fn is_commune(&self, unit: usize) -> bool {
        self.world.units[unit].level == pb::UnitLevel::Commune
    }

    /// Who holds a unit's territory on another day: each with its share, where one is known, and whether it is a part.
    pub fn goes(&self, unit: usize, from: i32, to: i32) -> Vec<(usize, bool, Option<Fraction>)> {
        let mut found: BTreeMap<usize, (bool, Option<Fraction>)> = BTreeMap::new();
        let mut paths = vec![(unit, from, false, Some(over(1, 1)))];
        while let Some((at, since, part, share)) = paths.pop() {
            let forward = self
                .world
                .steps
                .iter()
                .filter(|it| from <= to && it.before == at && since < it.day && it.day <= to);
            let back = self
                .world
                .steps
                .iter()
                .filter(|it| from > to && it.after == at && to < it.day && it.day <= since);
            let next: Vec<_> = forward.chain(back).collect();
            if self.stands(at, to) {
                let gone = next.iter().map(|it| it.weight).collect::<Option<Vec<_>>>();
                let left = gone.map(|it| {
                    it.into_iter().fold(over(1, 1), |left, it| left.plus(it.times(over(-1, 1))))
                });
                let (part, kept) = match next.is_empty() {
                    true => (part, share),
                    false => (true, share.zip(left).map(|(a, b)| a.times(b))),
                };
                let known = found.get(&at).copied();
                let (part, kept) = match known {
                    None => (part, kept),
                    Some((part, known)) => (part, known.zip(kept).map(|(a, b)| a.plus(b))),
                };
                found.insert(at, (part, kept));
            }
            for step in next {
                let share = match (step.whole, step.weight) {
                    (true, _) => share,
                    (false, Some(weight)) => share.map(|it| it.times(weight)),
                    (false, None) => None,
                };
                let (on, since) =
                    if from <= to { (step.after, step.day) } else { (step.before, step.day - 1) };
                paths.push((on, since, part || !step.whole, share));
            }
        }
        found.into_iter().map(|(unit, (part, share))| (unit, part, share)).collect()
    }

    pub fn home(&self) -> BTreeSet<usize> {
        let on = self.date.unwrap_or(self.period.to);
        let mut home = self.all_below(self.unit, on);
        home.insert(self.unit);
        home
    }
}
