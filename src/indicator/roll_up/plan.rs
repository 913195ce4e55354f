//! A period, and how it is made of the periods that units report.
use super::amount::How;
use crate::{
    error::{Error, Reason},
    indicator::{Calendar, Meaning},
    period::{Period, PeriodKind},
    time::{Day, Span},
};

/// What is asked of each unit about a period.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) period: Period,
    pub(super) range: Span,
    /// Parts of the frequency that make it up, with their days, in order; none when it is of the frequency.
    pub(super) parts: Vec<(Period, Span)>,
    /// How the parts are combined; none when they are not.
    pub(super) how: Option<How>,
    /// Why it can be answered only by who reported it as such.
    pub(super) loose: Option<Error>,
}

impl Plan {
    /// For a period whose values are then combined over units by a rule, if they are.
    pub(super) fn of(meaning: &Meaning, period: Period, units: Option<How>) -> Self {
        let range = meaning.range(period);
        let (parts, tiled) = parts(meaning, period);
        let dated = parts.into_iter().map(|it| (it, meaning.range(it)));
        let parts: Vec<_> = dated.collect();
        let how = match tiled {
            true if parts.is_empty() => Ok(None),
            true => How::over_time(meaning, units, parts.len()).map(Some),
            false => Err(not_combinable(meaning, period)),
        };
        let (how, loose) = match how {
            Ok(how) => (how, None),
            Err(err) => (None, Some(err)),
        };
        Self { period, range, parts, how, loose }
    }

    /// The days of it in which a unit stood, as a share: by parts, or by days.
    pub(super) fn stood(&self, span: Span, by_parts: bool) -> Stood {
        if by_parts {
            let inside = self.parts.iter().map(|(_, days)| span.overlaps(*days));
            return Stood::Parts(inside.collect());
        }
        Stood::Days(Span { from: span.from.max(self.range.from), to: span.to.min(self.range.to) })
    }
}

/// The part of a period in which a unit stood.
#[derive(Clone, Debug)]
pub(super) enum Stood {
    /// In which of its parts.
    Parts(Vec<bool>),
    /// On which of its days.
    Days(Span),
}

/// How many of how many.
pub(super) fn share(inside: &Stood, plan: &Plan) -> (usize, usize) {
    match inside {
        Stood::Parts(parts) => (parts.iter().filter(|it| **it).count(), plan.parts.len()),
        Stood::Days(days) => (length(days.from, days.to), length(plan.range.from, plan.range.to)),
    }
}

/// How much of the period passed while at least one of these stood, as how many of how many.
pub(super) fn joint<'a>(all: impl Iterator<Item = &'a Stood>, plan: &Plan) -> (usize, usize) {
    let mut parts = vec![false; plan.parts.len()];
    let mut spans = Vec::new();
    let mut by_parts = true;
    for one in all {
        match one {
            Stood::Parts(inside) => {
                for (part, inside) in parts.iter_mut().zip(inside) {
                    *part |= *inside;
                }
                let covered = plan.parts.iter().zip(inside).filter(|(_, inside)| **inside);
                spans.extend(covered.map(|((_, days), _)| *days));
            }
            Stood::Days(days) => {
                by_parts = false;
                spans.push(*days);
            }
        }
    }
    if by_parts {
        return share(&Stood::Parts(parts), plan);
    }
    spans.sort_by_key(|it| it.from);
    let (mut days, mut through) = (0, plan.range.from.previous());
    for span in spans {
        days += length(span.from.max(through.next()), span.to);
        through = through.max(span.to);
    }
    (days, length(plan.range.from, plan.range.to))
}

fn length(from: Day, to: Day) -> usize {
    usize::try_from(to.number() - from.number() + 1).unwrap_or(0)
}

/// The periods whose readings must be at hand: the period itself, then what is reported inside it.
pub fn periods_needed(meaning: &Meaning, period: Period) -> Vec<Period> {
    let mut needed = vec![period];
    needed.extend(parts(meaning, period).0);
    needed
}

/// The periods of the frequency inside a longer one, and whether they make it up.
fn parts(meaning: &Meaning, period: Period) -> (Vec<Period>, bool) {
    let report_15_14 = meaning.calendar == Calendar::Report1514;
    let kind = meaning.frequency.kind();
    if period.kind() == kind {
        return (Vec::new(), true);
    }
    match period.parts(kind, report_15_14) {
        Some(parts) => (parts, true),
        None => (Period::ending_within(kind, meaning.range(period), report_15_14), false),
    }
}

fn not_combinable(meaning: &Meaning, period: Period) -> Error {
    let every = match meaning.frequency.kind() {
        PeriodKind::Hour => "hour",
        PeriodKind::Day => "day",
        PeriodKind::Week => "week",
        PeriodKind::Month => "month",
        PeriodKind::Quarter => "quarter",
        PeriodKind::Half => "half-year",
        PeriodKind::Year => "year",
        PeriodKind::SchoolYear => "school year",
        PeriodKind::ToDate => "period to date",
    };
    let what = format!(
        "the indicator is reported every {every}, which does not make up {period}; ask for periods that it does"
    );
    Error::new(Reason::PeriodNotCombinable, what)
}
