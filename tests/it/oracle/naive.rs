//! The oracle's own reading of the contract: slow, plain, and without a line of `src/`.
use std::collections::{BTreeMap, BTreeSet};

use sharehub::pb;

use super::{
    ask::{Ask, Made, Own},
    fraction::{Fraction, ZERO},
    rules::Amount,
};
use pb::{LeftOutReason as Why, TimeRule, UnitRule};

/// What the answer must be.
#[derive(Debug, PartialEq)]
pub struct Told {
    pub value: Option<String>,
    pub qualifier: pb::ValueQualifier,
    pub status: pb::ObservationStatus,
    pub expected: usize,
    pub reported: usize,
    pub complete: bool,
    pub weight_share: Option<String>,
    /// Unit, part and reason.
    pub left_out: BTreeSet<(usize, String, i32)>,
}

/// What must be refused, by its reason.
pub type Answer = Result<Told, &'static str>;

/// A value of the cover, for a part of the period.
#[derive(Clone, Debug)]
pub struct Speaker {
    pub unit: usize,
    pub amount: Amount,
    pub by_parts: bool,
}

/// Everything that is found out about one question.
pub struct Desk<'a> {
    pub ask: &'a Ask<'a>,
    pub home: BTreeSet<usize>,
    /// In the order of the walk, with what is above each.
    pub nodes: Vec<(usize, Option<usize>)>,
    pub expected: BTreeSet<usize>,
    pub covered: BTreeSet<usize>,
    pub used: BTreeSet<usize>,
    pub bad: BTreeMap<usize, Why>,
    pub lacks: Vec<(usize, String, Why)>,
    pub speakers: Vec<Vec<Speaker>>,
    /// The unit whose weight each of them has.
    pub weighed: Vec<usize>,
    pub between: Vec<Amount>,
    pub stand_ins: BTreeMap<usize, usize>,
}

/// Where a territory lies: some inside, some outside.
pub type Lies = (bool, bool);

pub fn itself(ask: &Ask<'_>) -> Answer {
    let empty = Told {
        value: None,
        qualifier: pb::ValueQualifier::Unspecified,
        status: pb::ObservationStatus::Unspecified,
        expected: 1,
        reported: 0,
        complete: false,
        weight_share: None,
        left_out: BTreeSet::new(),
    };
    let alone = |why: Why| BTreeSet::from([(ask.unit, String::new(), i32::from(why))]);
    match (ask.own(ask.unit, false), ask.made(false)) {
        (Own::Silent, Made::Not(_, refusal)) => Err(refusal),
        (Own::Silent, _) => Ok(Told { left_out: alone(Why::NotReported), ..empty }),
        (Own::Bad(why), _) => Ok(Told { left_out: alone(why), ..empty }),
        (Own::Good { amount, lacks, by_parts }, made) => {
            let mut left_out: BTreeSet<_> =
                lacks.into_iter().map(|(part, why)| (ask.unit, part, i32::from(why))).collect();
            if let (true, Made::Of(parts)) = (by_parts, made) {
                let absent = parts.iter().filter(|it| !ask.meets(ask.unit, it));
                left_out.extend(
                    absent.map(|it| (ask.unit, it.code.clone(), i32::from(Why::UnitNotValid))),
                );
            }
            Ok(Told {
                value: Some(amount.value.shown()),
                qualifier: amount.how,
                status: amount.status,
                reported: 1,
                complete: left_out.is_empty(),
                left_out,
                ..empty
            })
        }
    }
}

pub fn below(ask: &Ask<'_>) -> Answer {
    let mut desk = Desk {
        ask,
        home: ask.home(),
        nodes: Vec::new(),
        expected: BTreeSet::new(),
        covered: BTreeSet::new(),
        used: BTreeSet::new(),
        bad: BTreeMap::new(),
        lacks: Vec::new(),
        speakers: Vec::new(),
        weighed: Vec::new(),
        between: Vec::new(),
        stand_ins: BTreeMap::new(),
    };
    let day = ask.period.to;
    let tops: Vec<usize> = match ask.date {
        None => ask.below(ask.unit, day),
        Some(_) => (0..ask.world.units.len())
            .filter(|it| ask.stands(*it, day) && ask.world.parent(*it, day).is_none())
            .collect(),
    };
    for top in tops {
        desk.walk(top, None, false);
    }
    for unit in desk.closed() {
        desk.close(unit);
    }
    desk.finish()
}

impl Desk<'_> {
    pub fn level(&self, unit: usize) -> bool {
        self.ask.world.units[unit].level == self.ask.definition.wire.collection_level()
    }

    pub fn lies(&self, unit: usize, on: i32) -> Option<Lies> {
        let ask = self.ask;
        let to = ask.date.unwrap_or(ask.period.to);
        let of = |it: &usize| ask.goes(*it, on, to);
        let mut leaves: Vec<_> = match ask.is_commune(unit) {
            true => of(&unit),
            false => {
                let below = ask.all_below(unit, on);
                below.iter().filter(|it| ask.is_leaf(**it, on)).flat_map(of).collect()
            }
        };
        if leaves.is_empty() {
            leaves = of(&unit);
        }
        let inside = leaves.iter().any(|it| self.home.contains(&it.0));
        let outside = leaves.iter().any(|it| !self.home.contains(&it.0));
        (inside || outside).then_some((inside, outside))
    }

    fn walk(&mut self, unit: usize, above: Option<usize>, under_cover: bool) {
        let ask = self.ask;
        let lies = match ask.date {
            None => (true, false),
            Some(_) => self.lies(unit, ask.period.to).unwrap_or((false, true)),
        };
        self.nodes.push((unit, above));
        let mut covers = under_cover;
        if under_cover {
            self.covered.insert(unit);
        } else if lies.0 && unit != ask.unit {
            let shares = || ask.goes(unit, ask.period.to, ask.date.unwrap_or(ask.period.to));
            match self.take(unit, lies, &shares(), ask.period.to) {
                None => {}
                Some(Err(why)) => {
                    self.bad.insert(unit, why);
                }
                Some(Ok(_)) if ask.weighs() && ask.weight(unit).is_none() => {
                    self.lacks.retain(|it| it.0 != unit);
                    self.bad.insert(unit, Why::NoWeight);
                }
                Some(Ok(speaker)) => {
                    self.speakers.push(vec![speaker]);
                    self.weighed.push(unit);
                    self.used.insert(unit);
                    self.covered.insert(unit);
                    covers = true;
                }
            }
        }
        if lies.0 && self.level(unit) && unit != ask.unit {
            self.expected.insert(unit);
        }
        for child in ask.below(unit, ask.period.to) {
            self.walk(child, Some(unit), covers);
        }
    }

    /// What a unit says, as far as it lies inside.
    fn take(
        &mut self,
        unit: usize,
        lies: Lies,
        shares: &[(usize, bool, Option<Fraction>)],
        since: i32,
    ) -> Option<Result<Speaker, Why>> {
        let ask = self.ask;
        let spans = lies == (true, true) && !ask.is_commune(unit);
        let (amount, lacks, by_parts) = match ask.own(unit, true) {
            Own::Silent => return None,
            Own::Bad(Why::NoComponents) if spans => return Some(Err(Why::SpansTarget)),
            Own::Bad(why) => return Some(Err(why)),
            Own::Good { .. } if spans => return Some(Err(Why::SpansTarget)),
            Own::Good { amount, lacks, by_parts } => (amount, lacks, by_parts),
        };
        let mut amount = amount;
        if lies == (true, true) {
            let adds = matches!(ask.rule(), UnitRule::Sum | UnitRule::Ratio);
            let forward = ask.date.unwrap_or(ask.period.to) > since;
            let mine = shares.iter().filter(|it| self.home.contains(&it.0));
            let known = mine.map(|it| it.2.filter(|_| it.1)).collect::<Option<Vec<_>>>();
            let Some(known) = known.filter(|_| adds && forward) else {
                return Some(Err(Why::SplitWithoutWeight));
            };
            let share = known.into_iter().fold(ZERO, Fraction::plus);
            amount.value = amount.value.times(share);
            amount.both = amount.both.map(|(a, b)| (a.times(share), b.times(share)));
            amount.status = pb::ObservationStatus::Estimated;
        }
        self.lacks.extend(lacks.into_iter().map(|(part, why)| (unit, part, why)));
        Some(Ok(Speaker { unit, amount, by_parts }))
    }

    /// Units that stood in the period and not at its end, those above others first.
    fn closed(&self) -> Vec<usize> {
        let ask = self.ask;
        let mut all: Vec<usize> = (0..ask.world.units.len())
            .filter(|it| {
                let to = ask.world.units[*it].to;
                ask.period.from <= to && to < ask.period.to
            })
            .collect();
        let last = |it: &usize| ask.world.units[*it].to;
        all.sort_by_key(|it| (ask.above(*it, last(it)).len(), -last(it), ask.world.units[*it].id));
        all
    }

    fn close(&mut self, unit: usize) {
        let ask = self.ask;
        let last = ask.world.units[unit].to;
        let to = ask.date.unwrap_or(ask.period.to);
        let above = ask.above(unit, last);
        let mut lies = self.lies(unit, last);
        if lies.is_none() && ask.date.is_none() {
            let home = above.iter().find(|it| ask.stands(**it, ask.period.to));
            lies = home.map(|it| (self.home.contains(it), !self.home.contains(it)));
        }
        let Some(lies) = lies.filter(|it| it.0) else { return };
        let listed: BTreeSet<usize> = self.nodes.iter().map(|it| it.0).collect();
        let node = (unit, above.iter().copied().find(|it| listed.contains(it)));
        let adds = !matches!(ask.time(), TimeRule::Last | TimeRule::None);
        let under = above.iter().any(|it| self.used.contains(it));
        if unit == ask.unit {
            self.nodes.push(node);
            return;
        }
        if under {
            self.nodes.push(node);
            self.covered.insert(unit);
            if adds && self.level(unit) {
                self.expected.insert(unit);
            }
            return;
        }
        if !adds {
            if ask.row(unit, &ask.period.code).is_some() {
                self.nodes.push(node);
                self.bad.insert(unit, Why::ClosedBeforeEnd);
                if self.level(unit) {
                    self.expected.insert(unit);
                }
            }
            return;
        }
        let leaves: Vec<usize> = match ask.is_commune(unit) {
            true => Vec::new(),
            false => {
                ask.all_below(unit, last).into_iter().filter(|it| ask.is_leaf(*it, last)).collect()
            }
        };
        let recorded = leaves.iter().any(|it| !ask.goes(*it, last, to).is_empty());
        let leaves = if recorded { leaves } else { Vec::new() };
        let tells = |it: &&usize| {
            self.used.contains(*it) || ask.above(**it, last).iter().any(|it| self.used.contains(it))
        };
        let inside =
            |it: &&usize| ask.goes(**it, last, to).iter().any(|it| self.home.contains(&it.0));
        let telling = leaves.iter().filter(inside).filter(tells).count();
        if telling > 0 && telling == leaves.iter().filter(inside).count() {
            return;
        }
        self.nodes.push(node);
        if self.level(unit) {
            self.expected.insert(unit);
        }
        let of = |on: i32| -> Vec<_> {
            match leaves.is_empty() {
                true => ask.goes(unit, last, on),
                false => leaves.iter().flat_map(|it| ask.goes(*it, last, on)).collect(),
            }
        };
        let kept = self.lacks.len();
        let speaker = match self.take(unit, lies, &of(to), last) {
            None => return,
            Some(Ok(_)) if telling > 0 => Err(Why::SplitWithoutWeight),
            Some(taken) => taken,
        };
        let heirs: BTreeSet<usize> = of(ask.period.to).into_iter().map(|it| it.0).collect();
        match speaker.and_then(|it| self.join(it, &heirs)) {
            Ok(()) => {
                self.used.insert(unit);
                self.covered.insert(unit);
            }
            Err(why) => {
                self.lacks.truncate(kept);
                self.bad.insert(unit, why);
            }
        }
    }

    /// Adds what a closed unit said to what covers its successors.
    fn join(&mut self, speaker: Speaker, heirs: &BTreeSet<usize>) -> Result<(), Why> {
        let ask = self.ask;
        let living = |group: &Vec<Speaker>| {
            group.first().is_some_and(|it| ask.stands(it.unit, ask.period.to))
        };
        let (mut places, mut silent) = (BTreeSet::new(), false);
        for heir in heirs {
            let mut line = std::iter::once(*heir).chain(ask.above(*heir, ask.period.to));
            let cover = line.find(|it| self.used.contains(it));
            let place = cover.and_then(|cover| {
                self.speakers
                    .iter()
                    .position(|it| living(it) && it.iter().any(|it| it.unit == cover))
            });
            silent |= place.is_none();
            places.extend(place);
        }
        let one = places.first().copied();
        let place = match one {
            None => {
                let lone = heirs.first().copied().filter(|_| heirs.len() == 1);
                match lone.and_then(|it| self.stand_ins.get(&it).copied()) {
                    Some(place) => place,
                    None => {
                        let weighed = lone.unwrap_or(speaker.unit);
                        if ask.weighs() && ask.weight(weighed).is_none() {
                            return Err(Why::NoWeight);
                        }
                        self.speakers.push(vec![speaker]);
                        self.weighed.push(weighed);
                        if let Some(lone) = lone {
                            self.stand_ins.insert(lone, self.speakers.len() - 1);
                        }
                        return Ok(());
                    }
                }
            }
            Some(place) if places.len() == 1 && !silent => place,
            Some(place) => match ask.rule() {
                UnitRule::Sum | UnitRule::Ratio => {
                    for other in places.into_iter().skip(1) {
                        let moved = std::mem::take(&mut self.speakers[other]);
                        self.speakers[place].extend(moved);
                    }
                    place
                }
                UnitRule::Mean if ask.time() == TimeRule::Sum && !ask.weighs() => {
                    self.between.push(speaker.amount);
                    return Ok(());
                }
                _ => return Err(Why::SplitWithoutWeight),
            },
        };
        let by_ratio = ask.rule() == UnitRule::Ratio || ask.time() == TimeRule::Ratio;
        let bare = |it: &Speaker| it.amount.both.is_none();
        if by_ratio && (bare(&speaker) || self.speakers[place].iter().any(bare)) {
            return Err(Why::NoComponents);
        }
        self.speakers[place].push(speaker);
        Ok(())
    }
}
