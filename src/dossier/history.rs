//! The history of a dossier: its state as a pure function of its set of events, so that late, repeated and unordered
//! events converge.
use super::{Event, State};
use crate::time::{Day, Timestamp};

/// The parts of an event that decide the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventStep {
    /// When.
    pub at: Timestamp,
    /// To which state.
    pub state: State,
    /// The promised date from then on, when it changed.
    pub due_at: Option<Timestamp>,
}

/// The state of a dossier and its dates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The state of the last event; none before the first.
    pub state: Option<State>,
    /// When it was first submitted.
    pub submitted_at: Option<Timestamp>,
    /// When it was first accepted.
    pub accepted_at: Option<Timestamp>,
    /// The last promised date.
    pub due_at: Option<Timestamp>,
    /// When it was finished, unless it was reopened since. A repeated report does not move it.
    pub finished_at: Option<Timestamp>,
    /// When the result was handed over, unless it was reopened since.
    pub returned_at: Option<Timestamp>,
    /// The day on which it was received: of acceptance, else of submission, else of the first event.
    pub received_on: Option<Day>,
}

impl State {
    /// Whether this state opens a dossier that had ended. A request for payment does not: fees are asked for after the
    /// end too.
    pub fn opens(self) -> bool {
        match self {
            Self::Submitted | Self::Accepted | Self::InProcess | Self::SupplementRequested => true,
            Self::PaymentRequested
            | Self::NotAccepted
            | Self::Withdrawn
            | Self::Stopped
            | Self::Finished
            | Self::Returned => false,
        }
    }
}

/// The one order of events: by instant; at the same instant by the number of the state; then by identity.
pub fn compare(a: &Event, b: &Event) -> std::cmp::Ordering {
    let key = |it: &Event| (it.sent.occurred_at, it.state);
    key(a).cmp(&key(b)).then_with(|| a.identity.cmp(&b.identity))
}

/// The steps of a dossier, in the one order of events.
pub fn steps<'a>(events: impl IntoIterator<Item = &'a Event>) -> Vec<EventStep> {
    let mut events: Vec<_> = events.into_iter().collect();
    events.sort_unstable_by(|a, b| compare(a, b));
    let step =
        |it: &Event| EventStep { at: it.sent.occurred_at, state: it.state, due_at: it.sent.due_at };
    events.into_iter().map(step).collect()
}

/// The steps up to an instant.
pub fn until(steps: &[EventStep], at: Timestamp) -> &[EventStep] {
    let count = steps.partition_point(|it| it.at <= at);
    steps.get(..count).unwrap_or_default()
}

/// The state after these steps.
pub fn standing(steps: &[EventStep]) -> Standing {
    let last = closing(steps);
    Standing {
        state: steps.last().map(|it| it.state),
        submitted_at: first(steps, &[State::Submitted]),
        accepted_at: first(steps, &[State::Accepted]),
        due_at: steps.iter().rev().find_map(|it| it.due_at),
        finished_at: first(last, &[State::Finished]),
        returned_at: first(last, &[State::Returned]),
        received_on: day(steps),
    }
}

/// The steps since it was last open.
pub fn closing(steps: &[EventStep]) -> &[EventStep] {
    let opened = steps.iter().rposition(|it| it.state.opens());
    steps.get(opened.map_or(0, |it| it + 1)..).unwrap_or_default()
}

/// When it first came to one of these states.
pub fn first(steps: &[EventStep], states: &[State]) -> Option<Timestamp> {
    steps.iter().find(|it| states.contains(&it.state)).map(|it| it.at)
}

/// The day on which codes of units are resolved: of acceptance, else of submission, else of the first event.
pub fn day(steps: &[EventStep]) -> Option<Day> {
    let at = first(steps, &[State::Accepted]).or_else(|| first(steps, &[State::Submitted]));
    at.or(steps.first().map(|it| it.at)).map(Timestamp::day)
}

/// How many supplements were requested; repeated requests of one instant count once.
pub fn supplements(steps: &[EventStep]) -> usize {
    let asked = |it: &&EventStep| it.state == State::SupplementRequested;
    let mut at: Vec<_> = steps.iter().filter(asked).map(|it| it.at).collect();
    at.dedup();
    at.len()
}

/// Start of the current wait for a supplement, if any.
pub fn waits_since(steps: &[EventStep]) -> Option<Timestamp> {
    let asked = |it: &&EventStep| it.state == State::SupplementRequested;
    steps.iter().rev().take_while(asked).last().map(|it| it.at)
}

/// Microseconds, within two instants, in which it waited for supplements: from the request to the next event of another
/// state.
pub fn waited(steps: &[EventStep], from: Timestamp, to: Timestamp) -> i64 {
    let mut since = None;
    let mut sum = 0;
    let mut add = |start: Timestamp, end: Timestamp| {
        sum += (end.min(to).micros() - start.max(from).micros()).max(0);
    };
    for step in steps {
        match (since, step.state == State::SupplementRequested) {
            (None, true) => since = Some(step.at),
            (Some(start), false) => {
                add(start, step.at);
                since = None;
            }
            (None, false) | (Some(_), true) => {}
        }
    }
    if let Some(start) = since {
        add(start, to);
    }
    sum
}
