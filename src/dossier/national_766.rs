//! The rule `national-766`: on time as decision 766/QĐ-TTg, component 2.1, counts it; and `national-766-received`,
//! which counts by it what each month received.
use super::{
    Longest, State, TimeUnit,
    history::{self, EventStep},
};
use crate::{
    decimal::Decimal,
    period::{Period, PeriodKind},
    time::{Day, Span, Timestamp},
};

/// How a summary counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SummaryRule {
    /// What was received in a period or carried over into it, at the end of the period.
    National766,
    /// What was received in a period, each dossier at the end of the month that accepted it: such counts add up.
    Received,
}

impl SummaryRule {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::National766 => "national-766",
            Self::Received => "national-766-received",
        }
    }

    /// The rule of this name.
    pub fn of(name: &str) -> Option<Self> {
        [Self::National766, Self::Received].into_iter().find(|it| it.name() == name)
    }
}

/// The period of a count, and its last instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its first instant.
    pub from: Timestamp,
    /// The first instant after it.
    pub before: Timestamp,
    /// The instant up to which events count; what is open then is judged as if it ended then.
    pub counted_to: Timestamp,
}

/// The bucket that a dossier counts in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bucket {
    /// Finished on a day before the promised one.
    FinishedEarly,
    /// Finished in time.
    FinishedOnTime,
    /// Finished too late.
    FinishedLate,
    /// Open, and in time.
    InProcessInTime,
    /// Open, and overdue.
    InProcessOverdue,
    /// Waiting for a supplement, in time.
    SupplementInTime,
    /// Waiting for a supplement, overdue.
    SupplementOverdue,
    /// Stopped, refused or withdrawn in time.
    StoppedInTime,
    /// Stopped, refused or withdrawn too late.
    StoppedLate,
    /// Cannot be judged.
    Undetermined,
}

impl Bucket {
    /// Every one.
    pub const ALL: [Self; 10] = [
        Self::FinishedEarly,
        Self::FinishedOnTime,
        Self::FinishedLate,
        Self::InProcessInTime,
        Self::InProcessOverdue,
        Self::SupplementInTime,
        Self::SupplementOverdue,
        Self::StoppedInTime,
        Self::StoppedLate,
        Self::Undetermined,
    ];
    /// Those of the numerator.
    pub const IN_TIME: [Self; 5] = [
        Self::FinishedEarly,
        Self::FinishedOnTime,
        Self::InProcessInTime,
        Self::SupplementInTime,
        Self::StoppedInTime,
    ];
    /// Those of the denominator: all but [`Self::Undetermined`].
    pub const JUDGED: [Self; 9] = [
        Self::FinishedEarly,
        Self::FinishedOnTime,
        Self::FinishedLate,
        Self::InProcessInTime,
        Self::InProcessOverdue,
        Self::SupplementInTime,
        Self::SupplementOverdue,
        Self::StoppedInTime,
        Self::StoppedLate,
    ];
}

/// The verdict on one dossier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// When it was first accepted.
    pub accepted_at: Timestamp,
    /// Whether it was accepted in the period; otherwise it was carried over.
    pub received: bool,
    /// Its bucket.
    pub bucket: Bucket,
}

enum DossierPhase {
    Finished,
    Stopped,
    Supplement,
    InProcess,
}

enum Timing {
    Early,
    InTime,
    Late,
    Unknown,
}

impl Frame {
    /// The days of a period, counted up to an instant, but not beyond the period.
    pub fn new(days: Span, as_of: Timestamp) -> Self {
        let before = days.to.next().start();
        Self { from: days.from.start(), before, counted_to: as_of.min(before) }
    }

    /// The steps that count: those up to the end of the count, in the period or before it.
    fn cut(self, steps: &[EventStep]) -> &[EventStep] {
        let count = steps.partition_point(|it| it.at <= self.counted_to && it.at < self.before);
        steps.get(..count).unwrap_or_default()
    }
}

/// Judges a dossier; none when it does not count: not accepted before the period's end, or ended before its start.
pub fn judge(frame: Frame, steps: &[EventStep], longest: Option<Longest>) -> Option<Verdict> {
    let steps = frame.cut(steps);
    let accepted_at = history::first(steps, &[State::Accepted])?;
    let (phase, end) = ended(steps).unwrap_or_else(|| match history::waits_since(steps) {
        Some(asked) => (DossierPhase::Supplement, asked),
        None => (DossierPhase::InProcess, frame.counted_to),
    });
    let has_ended = match phase {
        DossierPhase::Finished | DossierPhase::Stopped => true,
        DossierPhase::Supplement | DossierPhase::InProcess => false,
    };
    if has_ended && end < frame.from {
        return None;
    }
    let bucket = match (phase, timing(steps, accepted_at, end, longest)) {
        (_, Timing::Unknown) => Bucket::Undetermined,
        (DossierPhase::Finished, Timing::Early) => Bucket::FinishedEarly,
        (DossierPhase::Finished, Timing::InTime) => Bucket::FinishedOnTime,
        (DossierPhase::Finished, Timing::Late) => Bucket::FinishedLate,
        (DossierPhase::Stopped, Timing::Early | Timing::InTime) => Bucket::StoppedInTime,
        (DossierPhase::Stopped, Timing::Late) => Bucket::StoppedLate,
        (DossierPhase::Supplement, Timing::Early | Timing::InTime) => Bucket::SupplementInTime,
        (DossierPhase::Supplement, Timing::Late) => Bucket::SupplementOverdue,
        (DossierPhase::InProcess, Timing::Early | Timing::InTime) => Bucket::InProcessInTime,
        (DossierPhase::InProcess, Timing::Late) => Bucket::InProcessOverdue,
    };
    Some(Verdict { accepted_at, received: accepted_at >= frame.from, bucket })
}

/// How a dossier counts under [`SummaryRule::Received`], up to an instant; none when it was not accepted in these days.
pub fn judge_received(
    days: Span,
    as_of: Timestamp,
    steps: &[EventStep],
    longest: Option<Longest>,
) -> Option<Verdict> {
    let accepted = history::first(steps, &[State::Accepted])?.day();
    if accepted < days.from || days.to < accepted {
        return None;
    }
    let month = Period::containing(PeriodKind::Month, accepted, false)?;
    judge(Frame::new(month.range(false), as_of), steps, longest)
}

/// How and when it ended: finished goes before returned, then stopped or refused, then withdrawn. Only what followed
/// the last open state counts, so a withdrawal counts only after the acceptance.
fn ended(steps: &[EventStep]) -> Option<(DossierPhase, Timestamp)> {
    let last = history::closing(steps);
    let finished = history::first(last, &[State::Finished])
        .or_else(|| history::first(last, &[State::Returned]))
        .map(|at| (DossierPhase::Finished, at));
    let stopped = || {
        history::first(last, &[State::Stopped, State::NotAccepted])
            .or_else(|| history::first(last, &[State::Withdrawn]))
            .map(|at| (DossierPhase::Stopped, at))
    };
    finished.or_else(stopped)
}

fn timing(
    steps: &[EventStep],
    accepted_at: Timestamp,
    end: Timestamp,
    longest: Option<Longest>,
) -> Timing {
    if history::supplements(steps) > 1 {
        return Timing::Late;
    }
    let waited = history::waited(steps, accepted_at, end);
    let effective = end.checked_add_micros(-waited).unwrap_or(end);
    if let Some(due_at) = steps.iter().rev().find_map(|it| it.due_at) {
        return match effective {
            late if late > due_at => Timing::Late,
            early if early.day() < due_at.day() => Timing::Early,
            _ => Timing::InTime,
        };
    }
    match longest.and_then(|it| latest(accepted_at, it)) {
        None => Timing::Unknown,
        Some(latest) if effective > latest => Timing::Late,
        Some(_) => Timing::InTime,
    }
}

/// The last instant within the processing time; none where that takes a working calendar.
fn latest(accepted_at: Timestamp, Longest { count, unit }: Longest) -> Option<Timestamp> {
    const HOUR: i64 = 3_600_000_000;
    match unit {
        TimeUnit::Hour => accepted_at.checked_add_micros(i64::from(count) * HOUR),
        TimeUnit::Day => accepted_at.checked_add_micros(i64::from(count) * 24 * HOUR),
        TimeUnit::Month => {
            // The same time of day, so many months later; the last day where the month is shorter.
            let (year, month, date) = accepted_at.day().ymd();
            let months = i64::from(year) * 12 + i64::from(month) - 1 + i64::from(count);
            let year = i32::try_from(months.div_euclid(12)).ok()?;
            let month = u32::try_from(months.rem_euclid(12)).ok()? + 1;
            let day =
                (28..=date).rev().chain([date]).find_map(|it| Day::from_ymd(year, month, it))?;
            let time = accepted_at.micros() - accepted_at.day().start().micros();
            day.start().checked_add_micros(time)
        }
        TimeUnit::WorkingDay => None,
    }
}

/// Counts of dossiers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DossierCounts {
    /// Accepted in the period.
    pub received: i64,
    /// Accepted before the period, and open when it began.
    pub carried_over: i64,
    /// Those of `received` that came in online.
    pub received_online: i64,
    /// [`Bucket::FinishedEarly`].
    pub finished_early: i64,
    /// [`Bucket::FinishedOnTime`].
    pub finished_on_time: i64,
    /// [`Bucket::FinishedLate`].
    pub finished_late: i64,
    /// [`Bucket::InProcessInTime`].
    pub in_process_in_time: i64,
    /// [`Bucket::InProcessOverdue`].
    pub in_process_overdue: i64,
    /// [`Bucket::SupplementInTime`].
    pub supplement_in_time: i64,
    /// [`Bucket::SupplementOverdue`].
    pub supplement_overdue: i64,
    /// [`Bucket::StoppedInTime`].
    pub stopped_in_time: i64,
    /// [`Bucket::StoppedLate`].
    pub stopped_late: i64,
    /// [`Bucket::Undetermined`].
    pub undetermined: i64,
}

impl DossierCounts {
    /// Counts one dossier.
    pub fn count(&mut self, verdict: Verdict, online: bool) {
        let Verdict { accepted_at: _, received, bucket } = verdict;
        self.received += i64::from(received);
        self.carried_over += i64::from(!received);
        self.received_online += i64::from(received && online);
        *self.of_mut(bucket) += 1;
    }

    /// The count of a bucket.
    pub fn of_mut(&mut self, bucket: Bucket) -> &mut i64 {
        match bucket {
            Bucket::FinishedEarly => &mut self.finished_early,
            Bucket::FinishedOnTime => &mut self.finished_on_time,
            Bucket::FinishedLate => &mut self.finished_late,
            Bucket::InProcessInTime => &mut self.in_process_in_time,
            Bucket::InProcessOverdue => &mut self.in_process_overdue,
            Bucket::SupplementInTime => &mut self.supplement_in_time,
            Bucket::SupplementOverdue => &mut self.supplement_overdue,
            Bucket::StoppedInTime => &mut self.stopped_in_time,
            Bucket::StoppedLate => &mut self.stopped_late,
            Bucket::Undetermined => &mut self.undetermined,
        }
    }

    /// Early, on time, or still in time.
    pub fn numerator(&self) -> i64 {
        self.finished_early
            + self.finished_on_time
            + self.in_process_in_time
            + self.supplement_in_time
            + self.stopped_in_time
    }

    /// All that can be judged.
    pub fn denominator(&self) -> i64 {
        self.received + self.carried_over - self.undetermined
    }

    /// The rate of component 2.1, in percent; none without any dossier to judge.
    pub fn rate(&self) -> Option<Decimal> {
        let percent = Decimal::from_int(self.numerator()).mul(&Decimal::from_int(100));
        percent.div(&Decimal::from_int(self.denominator()))
    }
}
