//! The rules of dossiers, as tables.
use super::{
    Event, EventEntry, Longest, State, TimeUnit,
    history::{self, EventStep, Standing},
    national_766::{Bucket, DossierCounts, Frame, judge},
};
use crate::{
    period::Period,
    personal::Personal,
    time::{Day, Timestamp},
};

/// `10-01 08:00` of 2025, in Viet Nam.
fn at(text: &str) -> Timestamp {
    let (day, time) = text.split_once(' ').unwrap();
    let (hour, minute) = time.split_once(':').unwrap();
    let (hour, minute): (i64, i64) = (hour.parse().unwrap(), minute.parse().unwrap());
    let day = Day::parse(&format!("2025-{day}")).unwrap();
    day.start().checked_add_micros((hour * 60 + minute) * 60_000_000).unwrap()
}

fn event(when: &str, state: i32, due: &str, id: &str) -> Event {
    let sent = EventEntry {
        event_id: id.to_owned(),
        occurred_at: at(when),
        source_status: state.to_string(),
        due_at: (!due.is_empty()).then(|| at(due)),
        note: Personal::default(),
    };
    Event { identity: sent.identity(), sent, state: State::of(state).unwrap(), made_at: 1 }
}

/// `10-01 08:00=2@10-10 17:00; 10-09 08:00=9`: instants, states, and due dates.
fn steps(text: &str) -> Vec<EventStep> {
    let step = |it: &str| {
        let (when, rest) = it.split_once('=').unwrap();
        let (state, due) = rest.split_once('@').unwrap_or((rest, ""));
        event(when.trim(), state.parse().unwrap(), due, "")
    };
    let events: Vec<_> = text.split(';').map(step).collect();
    history::steps(&events)
}

#[test]
fn every_order_of_events_stands_the_same() {
    let events = [
        event("10-01 08:00", 2, "10-10 17:00", ""),
        event("10-02 08:00", 5, "", ""),
        event("10-02 08:00", 4, "", ""),
        event("10-04 08:00", 4, "10-12 17:00", "b"),
        event("10-04 08:00", 4, "10-11 17:00", "a"),
    ];
    let mut orders = vec![Vec::new()];
    for event in &events {
        orders = orders
            .iter()
            .flat_map(|it: &Vec<&Event>| {
                (0..=it.len()).map(move |i| {
                    let mut order = it.clone();
                    order.insert(i, event);
                    order
                })
            })
            .collect();
    }
    assert_eq!(orders.len(), 120);
    let first = history::steps(orders[0].iter().copied());
    assert_eq!(history::standing(&first).due_at, Some(at("10-12 17:00")), "`b` comes after `a`");
    for order in orders {
        assert_eq!(history::steps(order), first);
    }
}

#[test]
fn a_dossier_stands_as_its_events_say() {
    fn check(text: &str, state: i32, [accepted, finished, returned]: [&str; 3]) {
        let maybe = |it: &str| (!it.is_empty()).then(|| at(it));
        let found = history::standing(&steps(text));
        assert_eq!(found.state, State::of(state), "{text}");
        assert_eq!(found.accepted_at, maybe(accepted), "{text}");
        assert_eq!(found.finished_at, maybe(finished), "{text}");
        assert_eq!(found.returned_at, maybe(returned), "{text}");
    }
    check("10-01 08:00=1", 1, ["", "", ""]);
    check("10-01 08:00=2; 10-02 08:00=2", 2, ["10-01 08:00", "", ""]);
    check(
        "10-01 08:00=2; 10-02 08:00=9; 10-03 08:00=10",
        10,
        ["10-01 08:00", "10-02 08:00", "10-03 08:00"],
    );
    // Said twice: the first time is when it happened.
    check("10-01 08:00=2; 10-02 08:00=9; 10-03 08:00=9", 9, ["10-01 08:00", "10-02 08:00", ""]);
    // Opened again, and finished again.
    check("10-01 08:00=2; 10-02 08:00=9; 10-03 08:00=4", 4, ["10-01 08:00", "", ""]);
    check(
        "10-01 08:00=2; 10-02 08:00=9; 10-03 08:00=4; 10-04 08:00=9",
        9,
        ["10-01 08:00", "10-04 08:00", ""],
    );
    // Fees that are due after the end do not open it.
    check("10-01 08:00=2; 10-02 08:00=9; 10-03 08:00=6", 6, ["10-01 08:00", "10-02 08:00", ""]);
    assert_eq!(history::standing(&[]), Standing::default());
}

#[test]
fn what_happened_by_an_instant_includes_it() {
    let all = steps("10-01 08:00=1; 10-02 08:00=2; 10-03 08:00=4");
    let count = |when| history::until(&all, at(when)).len();
    assert_eq!([count("10-01 07:59"), count("10-01 08:00"), count("10-02 08:00")], [0, 1, 2]);
    assert_eq!(count("12-31 00:00"), 3);
}

#[test]
fn waiting_is_counted_from_the_request_to_another_state() {
    fn check(text: &str, from: &str, to: &str, hours: i64) {
        let found = history::waited(&steps(text), at(from), at(to));
        assert_eq!(found, hours * 3_600_000_000, "{text}");
    }
    let once = "10-01 08:00=2; 10-02 08:00=5; 10-02 20:00=4";
    check(once, "10-01 08:00", "10-09 08:00", 12);
    check(once, "10-02 14:00", "10-09 08:00", 6);
    check(once, "10-01 08:00", "10-02 09:00", 1);
    check(once, "10-01 08:00", "10-02 08:00", 0);
    check(
        "10-01 08:00=2; 10-02 08:00=5; 10-02 10:00=5; 10-02 20:00=4",
        "10-01 08:00",
        "10-09 08:00",
        12,
    );
    check("10-01 08:00=2; 10-02 08:00=5", "10-01 08:00", "10-03 08:00", 24);
    assert_eq!(history::supplements(&steps("10-02 08:00=5; 10-02 10:00=5")), 2);
    assert_eq!(history::supplements(&steps("10-02 08:00=5")), 1);
}

fn october() -> Frame {
    let days = Period::parse("2025-10").unwrap().range(false);
    Frame::new(days, at("12-31 00:00"))
}

#[test]
fn each_dossier_is_judged_once() {
    fn check(text: &str, longest: Option<(i32, TimeUnit)>, expected: Option<(bool, Bucket)>) {
        let longest = longest.map(|(count, unit)| Longest { count, unit });
        let found = judge(october(), &steps(text), longest);
        assert_eq!(found.map(|it| (it.received, it.bucket)), expected, "{text} {longest:?}");
    }
    use Bucket::*;
    let new = |bucket| Some((true, bucket));
    let old = |bucket| Some((false, bucket));
    let hours = |count| Some((count, TimeUnit::Hour));

    // The promised date: early is on an earlier day, whatever the hour; late is after the very instant.
    check("10-01 08:00=2@10-10 17:00; 10-09 23:59=9", None, new(FinishedEarly));
    check("10-01 08:00=2@10-10 17:00; 10-10 00:00=9", None, new(FinishedOnTime));
    check("10-01 08:00=2@10-10 17:00; 10-10 17:00=9", None, new(FinishedOnTime));
    check("10-01 08:00=2@10-10 17:00; 10-10 17:01=9", None, new(FinishedLate));
    // A promised date goes before the longest time; the last one counts.
    check("10-01 08:00=2@10-10 17:00; 10-10 17:00=9", hours(1), new(FinishedOnTime));
    check(
        "10-01 08:00=2@10-10 17:00; 10-05 08:00=4@10-20 17:00; 10-15 08:00=9",
        None,
        new(FinishedEarly),
    );
    // The longest time, to the instant; months by the calendar.
    check("10-01 08:00=2; 10-01 09:00=9", hours(1), new(FinishedOnTime));
    check("10-01 08:00=2; 10-01 09:01=9", hours(1), new(FinishedLate));
    check("10-01 08:00=2; 10-03 08:00=9", Some((2, TimeUnit::Day)), new(FinishedOnTime));
    check("10-01 08:00=2; 10-03 08:01=9", Some((2, TimeUnit::Day)), new(FinishedLate));
    check("08-31 08:00=2; 10-01 08:00=9", Some((1, TimeUnit::Month)), old(FinishedLate));
    check("09-30 08:00=2; 10-30 08:00=9", Some((1, TimeUnit::Month)), old(FinishedOnTime));
    check("09-30 08:00=2; 10-30 08:01=9", Some((1, TimeUnit::Month)), old(FinishedLate));
    check("10-01 08:00=2; 10-01 09:00=9", Some((5, TimeUnit::WorkingDay)), new(Undetermined));
    check("10-01 08:00=2; 10-01 09:00=9", None, new(Undetermined));
    // The end: finished before returned before stopped before withdrawn.
    check("10-01 08:00=2@10-10 17:00; 10-09 08:00=9; 10-12 08:00=10", None, new(FinishedEarly));
    check("10-01 08:00=2@10-10 17:00; 10-12 08:00=10", None, new(FinishedLate));
    check("10-01 08:00=2@10-10 17:00; 10-08 08:00=8; 10-12 08:00=9", None, new(FinishedLate));
    check("10-01 08:00=2@10-10 17:00; 10-08 08:00=3", None, new(StoppedInTime));
    check("10-01 08:00=2@10-10 17:00; 10-11 08:00=8", None, new(StoppedLate));
    check("10-01 08:00=2@10-10 17:00; 10-08 08:00=7", None, new(StoppedInTime));
    check("10-01 08:00=7; 10-02 08:00=2@11-10 17:00", None, new(InProcessInTime));
    check("10-01 08:00=1; 10-02 08:00=7", None, None);
    // Supplements: taken off once, late from the second on; while it waits, the request is the end.
    check(
        "10-01 08:00=2@10-03 08:00; 10-02 08:00=5; 10-05 08:00=4; 10-06 08:00=9",
        None,
        new(FinishedOnTime),
    );
    check(
        "10-01 08:00=2@10-03 08:00; 10-02 08:00=5; 10-05 08:00=4; 10-06 08:01=9",
        None,
        new(FinishedLate),
    );
    check(
        "10-01 08:00=2; 10-01 20:00=5; 10-05 20:00=4; 10-06 08:00=9",
        hours(24),
        new(FinishedOnTime),
    );
    check(
        "10-01 08:00=2@10-30 08:00; 10-02 08:00=5; 10-03 08:00=4; 10-04 08:00=5; 10-05 08:00=9",
        None,
        new(FinishedLate),
    );
    check("10-01 08:00=2@10-03 08:00; 10-03 08:00=5", None, new(SupplementInTime));
    check("10-01 08:00=2@10-03 08:00; 10-03 08:01=5", None, new(SupplementOverdue));
    check(
        "10-01 08:00=2@10-30 08:00; 10-02 08:00=5; 10-03 08:00=4; 10-04 08:00=5",
        None,
        new(SupplementOverdue),
    );
    check(
        "10-01 08:00=2@10-30 08:00; 10-02 08:00=5; 10-03 08:00=4; 10-04 08:00=5; 10-05 08:00=4",
        None,
        new(InProcessOverdue),
    );
    check("10-01 08:00=2; 10-02 08:00=5", None, new(Undetermined));
    // Open at the end of the count.
    check("10-20 08:00=2@11-01 00:00", None, new(InProcessInTime));
    check("10-20 08:00=2@10-31 23:59", None, new(InProcessOverdue));
    check("10-20 08:00=2@10-31 17:00; 11-01 00:00=9", None, new(InProcessOverdue));
    check("10-31 08:00=2", hours(16), new(InProcessInTime));
    check("10-31 07:59=2", hours(16), new(InProcessOverdue));
    check("10-01 08:00=2@10-10 17:00; 10-02 08:00=9; 10-03 08:00=4", None, new(InProcessOverdue));
    // The period.
    check("09-01 08:00=2@09-10 17:00; 09-30 23:59=9", None, None);
    check("09-01 08:00=2@09-10 17:00; 10-01 00:00=9", None, old(FinishedLate));
    check("09-30 23:59=2@10-10 17:00; 10-02 08:00=9", None, old(FinishedEarly));
    check("10-01 00:00=2@10-10 17:00; 10-02 08:00=9", None, new(FinishedEarly));
    check("11-01 00:00=2@11-10 17:00", None, None);
    check("09-01 08:00=2@09-10 17:00; 09-05 08:00=9; 09-20 08:00=4", None, old(InProcessOverdue));
}

#[test]
fn a_count_stops_at_its_instant() {
    let days = Period::parse("2025-10").unwrap().range(false);
    let all = steps("10-01 08:00=2@10-10 17:00; 10-05 08:00=5; 10-20 08:00=9");
    let bucket = |when| judge(Frame::new(days, at(when)), &all, None).map(|it| it.bucket);
    assert_eq!(bucket("10-01 07:59"), None);
    assert_eq!(bucket("10-01 08:00"), Some(Bucket::InProcessInTime));
    assert_eq!(bucket("10-19 08:00"), Some(Bucket::SupplementInTime));
    assert_eq!(bucket("12-31 08:00"), Some(Bucket::FinishedEarly));
    // Before the period begins, only what came before it is there.
    assert_eq!(bucket("09-15 08:00"), None);
    assert_eq!(Frame::new(days, at("12-31 00:00")).counted_to, at("11-01 00:00"));
}

#[test]
fn the_rate_leaves_out_what_cannot_be_judged() {
    let mut counts = DossierCounts::default();
    assert_eq!(counts.rate(), None);
    for (text, online) in [
        ("10-01 08:00=2@10-10 17:00; 10-09 08:00=9", true),
        ("10-01 08:00=2@10-10 17:00; 10-11 08:00=9", false),
        ("09-01 08:00=2@10-10 17:00; 10-09 08:00=8", true),
        ("10-01 08:00=2", true),
    ] {
        counts.count(judge(october(), &steps(text), None).unwrap(), online);
    }
    assert_eq!((counts.received, counts.carried_over, counts.received_online), (3, 1, 2));
    assert_eq!((counts.numerator(), counts.denominator()), (2, 3));
    assert_eq!(counts.rate().unwrap().to_string(), "66.666666666666666667");
}
