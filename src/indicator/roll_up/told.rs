//! What a unit says of a period: as it reported it, else from its own parts.
use super::{
    LeftOutReason, Readings, Region,
    amount::{Amount, How},
    plan::Plan,
};
use crate::{period::Period, time::Day, time::Span};

/// What each unit is asked.
#[derive(Debug)]
pub(super) struct UnitQuestion<'a> {
    pub(super) region: &'a Region<'a>,
    pub(super) plan: Plan,
    pub(super) readings: &'a Readings,
    /// How the answers are then combined; none when they are not.
    pub(super) how: Option<How>,
}

/// A unit's answer.
#[derive(Debug)]
pub(super) enum UnitAnswer {
    /// It sent nothing.
    Silent,
    /// What it sent cannot be used.
    Refused(LeftOutReason),
    /// A value.
    Told(Box<Told>),
}

/// A unit's value for the period.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) amount: Amount,
    /// Parts in which it stood and that are not in it.
    pub(super) missing: Vec<(Period, LeftOutReason)>,
    /// Whether it is made of parts.
    pub(super) by_parts: bool,
}

impl UnitQuestion<'_> {
    /// What a unit says: what it reported for the period itself, if that can be used, else the combination of the
    /// parts in which it stood.
    pub(super) fn ask(&self, id: i64, span: Span) -> UnitAnswer {
        let Self { region, plan, readings, how } = self;
        let is_shared = |days: Span| (region.shared)(id, days.to.min(span.to));
        let by_ratio = *how == Some(How::Ratio);
        let mut refused = (!is_shared(plan.range)).then_some(LeftOutReason::NotShared);
        if let Some(said) = readings.get(&(plan.period, id)).filter(|_| refused.is_none()) {
            match Amount::of(region.meaning, said, by_ratio) {
                Ok(amount) => {
                    let told = Told { amount, missing: Vec::new(), by_parts: false };
                    return UnitAnswer::Told(Box::new(told));
                }
                Err(reason) => refused = Some(reason),
            }
        }
        let Some(how) = plan.how else { return silent_or(refused) };
        let mut amounts = Vec::new();
        let mut missing = Vec::new();
        let mut last = None;
        for (part, days) in plan.parts.iter().filter(|(_, days)| span.overlaps(*days)) {
            let reason = match readings.get(&(*part, id)) {
                _ if !is_shared(*days) => LeftOutReason::NotShared,
                None => LeftOutReason::NotReported,
                Some(said) => match Amount::of(region.meaning, said, by_ratio || how == How::Ratio)
                {
                    Ok(amount) => {
                        amounts.push(amount);
                        continue;
                    }
                    Err(reason) => {
                        last = Some(reason);
                        reason
                    }
                },
            };
            missing.push((*part, reason));
        }
        if amounts.is_empty() {
            return silent_or(refused.or(last));
        }
        match how.combine(region.meaning, &amounts) {
            Some(amount) => UnitAnswer::Told(Box::new(Told { amount, missing, by_parts: true })),
            None => UnitAnswer::Refused(refused.unwrap_or(LeftOutReason::NoValue)),
        }
    }

    /// Whether a unit cannot be weighed where it must be.
    pub(super) fn lacks_weight(&self, id: i64) -> bool {
        let weights = self.region.weights.filter(|_| self.how == Some(How::Mean));
        weights.is_some_and(|it| !it.contains_key(&id))
    }

    /// Whether a unit sent something for a period that the plan cannot use.
    pub(super) fn sent_parts(&self, id: i64) -> bool {
        let sent = |part: &Period| self.readings.contains_key(&(*part, id));
        self.plan.loose.is_some() && self.plan.parts.iter().any(|(part, _)| sent(part))
    }

    /// Whether a unit reported the period itself, whatever it said.
    pub(super) fn sent(&self, id: i64, last: Day) -> bool {
        let day = self.plan.range.to.min(last);
        self.readings.contains_key(&(self.plan.period, id)) && (self.region.shared)(id, day)
    }
}

fn silent_or(refused: Option<LeftOutReason>) -> UnitAnswer {
    refused.map_or(UnitAnswer::Silent, UnitAnswer::Refused)
}
