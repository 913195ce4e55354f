//! Judges values: attainment, freshness, lateness, rank.
use super::{Calendar, Comparison, Direction, Meaning, Qualifier};
use crate::{
    db_enum::db_enum,
    decimal::Decimal,
    error::{Error, Result},
    fraction::Fraction,
    period::Period,
    time::{Day, Span},
};

db_enum! {
    /// Whether a target is met.
    pub enum AttainmentState {
        /// No value yet that could meet it.
        NoValue = 1,
        /// Met.
        Met = 2,
        /// Not met.
        NotMet = 3,
        /// The value is known too vaguely to say.
        Undecided = 4,
        /// The target is qualitative.
        Qualitative = 5,
    }
}

/// A target's attainment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attainment {
    /// Whether it is met.
    pub state: AttainmentState,
    /// Value minus target; none when one of them is missing.
    pub gap: Option<Decimal>,
}

db_enum! {
    /// How fresh a value is.
    pub enum FreshnessState {
        /// The newest period that is due is here.
        Fresh = 1,
        /// A newer period is due and is not here.
        Stale = 2,
        /// Nothing was ever reported.
        NoData = 3,
        /// The indicator is retired.
        Retired = 4,
        /// The newest period was reported by parts only.
        Partial = 6,
        /// The unit was closed, and every period that it owed is here.
        UnitClosed = 5,
    }
}

/// How fresh a value is, and what is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Freshness {
    /// The judgement.
    pub state: FreshnessState,
    /// The oldest period that is due and missing after the latest; without any data, the last one that is due.
    pub missing: Option<Period>,
    /// The date on which it was due.
    pub due: Option<Day>,
    /// Whole days since then.
    pub days_late: i32,
}

db_enum! {
    /// Whether something was reported.
    pub enum AvailabilityState {
        /// Reported by the due date.
        InTime = 1,
        /// Reported after the due date.
        Late = 2,
        /// Not reported, and the due date has passed.
        Missing = 3,
        /// Not reported, and not due yet.
        NotDue = 4,
        /// The unit was not valid on any day of the period.
        UnitNotValid = 5,
        /// Some of the parts that make it up were reported, not all.
        Partial = 6,
    }
}

/// Whether a period was reported in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lateness {
    /// The judgement.
    pub state: AvailabilityState,
    /// The date on which it was or is due.
    pub due: Day,
    /// Whole days late: of the first report, or so far.
    pub days_late: i32,
}

/// Judges an exact value against a target. A bound decides only where it must lie on one side; an ABOUT value decides
/// nothing.
pub fn attain(
    comparison: Comparison,
    target: Option<&Decimal>,
    observed: Option<(&Fraction, Qualifier)>,
) -> Attainment {
    let none = |state| Attainment { state, gap: None };
    let target = target.filter(|_| comparison != Comparison::Qualitative);
    let Some(target) = target else { return none(AttainmentState::Qualitative) };
    let Some((value, qualifier)) = observed else { return none(AttainmentState::NoValue) };
    let target = &Fraction::from(target);
    let met = match comparison {
        Comparison::AtLeast => at_least(value, qualifier, target),
        Comparison::MoreThan => more_than(value, qualifier, target),
        Comparison::AtMost => more_than(value, qualifier, target).map(|it| !it),
        Comparison::LessThan => at_least(value, qualifier, target).map(|it| !it),
        Comparison::Qualitative => None,
    };
    let state = match met {
        Some(true) => AttainmentState::Met,
        Some(false) => AttainmentState::NotMet,
        None => AttainmentState::Undecided,
    };
    Attainment { state, gap: Some(value.sub(target).rounded()) }
}

/// Judges how fresh the latest value is on a day. `latest` is the newest period that was reported, of any kind.
pub fn freshness(meaning: &Meaning, unit_span: Span, latest: Option<Period>, on: Day) -> Freshness {
    let plain = |state| Freshness { state, missing: None, due: None, days_late: 0 };
    if meaning.retired {
        return plain(FreshnessState::Retired);
    }
    let late = |state, period| {
        let due = due(meaning, period);
        let days_late = on.number() - due.number();
        Freshness { state, missing: Some(period), due: Some(due), days_late }
    };
    let Some(latest) = latest else {
        let state = FreshnessState::NoData;
        return last_due(meaning, unit_span, on).map_or(plain(state), |it| late(state, it));
    };
    match next_owed(meaning, unit_span, latest) {
        Some(next) if on > due(meaning, next) => late(FreshnessState::Stale, next),
        None if unit_span.to < on => plain(FreshnessState::UnitClosed),
        Some(_) | None => plain(FreshnessState::Fresh),
    }
}

/// Judges whether a period was reported in time; `first_published` is the day of its first report.
pub fn lateness(
    meaning: &Meaning,
    unit_span: Span,
    period: Period,
    first_published: Option<Day>,
    on: Day,
) -> Lateness {
    let due = due(meaning, period);
    if !unit_span.overlaps(meaning.range(period)) {
        return Lateness { state: AvailabilityState::UnitNotValid, due, days_late: 0 };
    }
    let days_late = (first_published.unwrap_or(on).number() - due.number()).max(0);
    let state = match (first_published.is_some(), days_late > 0) {
        (true, false) => AvailabilityState::InTime,
        (true, true) => AvailabilityState::Late,
        (false, true) => AvailabilityState::Missing,
        (false, false) => AvailabilityState::NotDue,
    };
    Lateness { state, due, days_late }
}

/// Units with their ranks, best first, and the units without a value.
pub type Ranking = (Vec<(i32, i64)>, Vec<i64>);

/// Ranks units by their exact values, best first. Equal values share a rank, and the ranks after it are skipped; units
/// of one rank, and those without a value, come by their ids.
pub fn rank(direction: Direction, values: Vec<(i64, Option<Fraction>)>) -> Result<Ranking> {
    let mut known = Vec::new();
    let mut unknown = Vec::new();
    for (unit_id, value) in values {
        match value {
            Some(value) => known.push((value, unit_id)),
            None => unknown.push(unit_id),
        }
    }
    match direction {
        Direction::MoreIsBetter => {
            known.sort_by(|one, two| two.0.cmp(&one.0).then(one.1.cmp(&two.1)));
        }
        Direction::LessIsBetter => known.sort(),
        Direction::Neither => {
            let rule = "have a direction: without one, no value is better than another";
            return Err(Error::field("indicator", rule));
        }
    }
    unknown.sort_unstable();
    let mut ranked = Vec::with_capacity(known.len());
    let mut shared: Option<(i32, Fraction)> = None;
    for (place, (value, unit_id)) in (1_i32..).zip(known) {
        let rank = match shared {
            Some((rank, same)) if same == value => rank,
            Some(_) | None => place,
        };
        ranked.push((rank, unit_id));
        shared = Some((rank, value));
    }
    Ok((ranked, unknown))
}

/// Whether the value is at least the bound; None when undecided.
fn at_least(value: &Fraction, qualifier: Qualifier, bound: &Fraction) -> Option<bool> {
    match qualifier {
        Qualifier::Exact => Some(value >= bound),
        Qualifier::MoreThan | Qualifier::AtLeast => (value >= bound).then_some(true),
        Qualifier::LessThan => (value <= bound).then_some(false),
        Qualifier::AtMost => (value < bound).then_some(false),
        Qualifier::About => None,
    }
}

/// Whether the value exceeds the bound; None when undecided.
fn more_than(value: &Fraction, qualifier: Qualifier, bound: &Fraction) -> Option<bool> {
    match qualifier {
        Qualifier::Exact => Some(value > bound),
        Qualifier::MoreThan => (value >= bound).then_some(true),
        Qualifier::AtLeast => (value > bound).then_some(true),
        Qualifier::LessThan | Qualifier::AtMost => (value <= bound).then_some(false),
        Qualifier::About => None,
    }
}

/// The day by whose end a period must be reported.
fn due(meaning: &Meaning, period: Period) -> Day {
    meaning.range(period).to.plus(meaning.due_days)
}

/// The period of the frequency that contains a day.
fn containing(meaning: &Meaning, day: Day) -> Option<Period> {
    let report_15_14 = meaning.calendar == Calendar::Report1514;
    Period::containing(meaning.frequency.kind(), day, report_15_14)
}

/// The first period that ends after the latest one, wholly within the unit's time.
fn next_owed(meaning: &Meaning, unit_span: Span, latest: Period) -> Option<Period> {
    let from = meaning.range(latest).to.next().max(unit_span.from);
    let mut next = containing(meaning, from)?;
    if meaning.range(next).from < unit_span.from {
        next = next.next()?;
    }
    (meaning.range(next).to <= unit_span.to).then_some(next)
}

/// The last period that was due before a day, wholly within the unit's time.
fn last_due(meaning: &Meaning, unit_span: Span, on: Day) -> Option<Period> {
    let ended = on.previous().plus(-meaning.due_days).min(unit_span.to);
    let mut last = containing(meaning, ended)?;
    if meaning.range(last).to > ended {
        last = containing(meaning, meaning.range(last).from.previous())?;
    }
    (meaning.range(last).from >= unit_span.from).then_some(last)
}
