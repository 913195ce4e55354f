//! Attainment, freshness, lateness, rank.
use super::{day, decimal, meaning, period};
use crate::{
    error::Reason,
    fraction::Fraction,
    indicator::{
        Calendar, Comparison, Direction, Frequency, Meaning, Qualifier,
        judge::{
            AttainmentState, AvailabilityState, FreshnessState, attain, freshness, lateness, rank,
        },
    },
    time::{Day, Span},
};

const ALWAYS: Span = Span { from: Day::FIRST, to: Day::LAST };

fn span(from: &str, to: &str) -> Span {
    let open = |text: &str, end| if text.is_empty() { end } else { day(text) };
    Span { from: open(from, Day::FIRST), to: open(to, Day::LAST) }
}

fn every(frequency: Frequency) -> Meaning {
    Meaning { frequency, ..meaning() }
}

#[test]
fn a_bound_decides_only_what_it_can() {
    use AttainmentState::{Met, NotMet, Undecided};
    use Comparison::{AtLeast, AtMost, LessThan, MoreThan};
    #[track_caller]
    fn check(how: Comparison, target: &str, known: (Qualifier, &str), expect: AttainmentState) {
        let (qualifier, value) = known;
        let value = decimal(value);
        let target = decimal(target);
        let exact = Fraction::from(&value);
        let found = attain(how, Some(&target), Some((&exact, qualifier)));
        assert_eq!(found.state, expect, "{qualifier:?} {value} for {how:?} {target}");
        assert_eq!(found.gap, Some(value.sub(&target)));
    }
    check(AtLeast, "60", (Qualifier::MoreThan, "55"), Undecided);
    check(AtLeast, "50", (Qualifier::MoreThan, "55"), Met);
    check(AtMost, "5", (Qualifier::LessThan, "3"), Met);
    for (qualifier, value, expect) in [
        (Qualifier::Exact, "60", [Met, NotMet, Met, NotMet]),
        (Qualifier::Exact, "60.1", [Met, Met, NotMet, NotMet]),
        (Qualifier::Exact, "59.9", [NotMet, NotMet, Met, Met]),
        (Qualifier::MoreThan, "60", [Met, Met, NotMet, NotMet]),
        (Qualifier::MoreThan, "59.9", [Undecided; 4]),
        (Qualifier::AtLeast, "60", [Met, Undecided, Undecided, NotMet]),
        (Qualifier::AtLeast, "60.1", [Met, Met, NotMet, NotMet]),
        (Qualifier::LessThan, "60", [NotMet, NotMet, Met, Met]),
        (Qualifier::LessThan, "60.1", [Undecided; 4]),
        (Qualifier::AtMost, "60", [Undecided, NotMet, Met, Undecided]),
        (Qualifier::AtMost, "59.9", [NotMet, NotMet, Met, Met]),
        (Qualifier::About, "90", [Undecided; 4]),
    ] {
        for (how, expect) in [AtLeast, MoreThan, AtMost, LessThan].into_iter().zip(expect) {
            check(how, "60", (qualifier, value), expect);
        }
    }
}

#[test]
fn without_a_number_nothing_is_met() {
    let (value, target) = (Fraction::count(1), decimal("2"));
    let seen = Some((&value, Qualifier::Exact));
    let missing = attain(Comparison::AtLeast, Some(&target), None);
    assert_eq!((missing.state, missing.gap), (AttainmentState::NoValue, None));
    for observed in [seen, None] {
        let words = attain(Comparison::Qualitative, None, observed);
        assert_eq!((words.state, words.gap), (AttainmentState::Qualitative, None));
    }
}

/// The state, the missing period, when it was due, and how late it is.
#[track_caller]
fn fresh(meaning: &Meaning, unit: Span, latest: &str, on: &str, expect: (FreshnessState, &str)) {
    let latest = (!latest.is_empty()).then(|| period(latest));
    let found = freshness(meaning, unit, latest, day(on));
    let missing = match (found.missing, found.due) {
        (Some(missing), Some(due)) => {
            assert_eq!(found.days_late, day(on).number() - due.number());
            format!("{missing} due {due}")
        }
        (missing, due) => {
            assert_eq!((missing, due, found.days_late), (None, None, 0));
            String::new()
        }
    };
    assert_eq!((found.state, missing.as_str()), expect, "{latest:?} on {on}");
}

#[test]
fn a_value_is_stale_once_a_newer_one_was_due() {
    use FreshnessState::{Fresh, NoData, Retired, Stale};
    let quarterly = every(Frequency::Quarter);
    fresh(&quarterly, ALWAYS, "2024-Q3", "2025-01-20", (Fresh, ""));
    fresh(&quarterly, ALWAYS, "2024-Q3", "2025-01-21", (Stale, "2024-Q4 due 2025-01-20"));
    // The oldest missing one is named.
    fresh(&quarterly, ALWAYS, "2024-Q1", "2025-01-21", (Stale, "2024-Q2 due 2024-07-20"));
    // Values of other kinds of periods count by their last days.
    fresh(&quarterly, ALWAYS, "2024-YTD-09", "2025-02-01", (Stale, "2024-Q4 due 2025-01-20"));
    fresh(&quarterly, ALWAYS, "2024-08", "2025-02-01", (Stale, "2024-Q3 due 2024-10-20"));
    fresh(&every(Frequency::Month), ALWAYS, "2024", "2025-02-20", (Fresh, ""));
    fresh(
        &every(Frequency::Month),
        ALWAYS,
        "2024",
        "2025-02-21",
        (Stale, "2025-01 due 2025-02-20"),
    );
    fresh(&quarterly, ALWAYS, "", "2025-01-20", (NoData, "2024-Q3 due 2024-10-20"));
    fresh(&quarterly, ALWAYS, "", "2025-01-21", (NoData, "2024-Q4 due 2025-01-20"));
    fresh(&quarterly, span("2024-11-01", ""), "", "2025-01-21", (NoData, ""));
    fresh(&quarterly, span("", "2024-11-01"), "", "2025-05-01", (NoData, "2024-Q3 due 2024-10-20"));
    let retired = Meaning { retired: true, ..quarterly };
    fresh(&retired, ALWAYS, "2020-Q1", "2025-01-21", (Retired, ""));
}

#[test]
fn a_closed_unit_owes_what_ended_in_its_time() {
    use FreshnessState::{Fresh, Stale, UnitClosed};
    let closed = span("", "2025-06-30");
    let quarterly = every(Frequency::Quarter);
    fresh(&quarterly, closed, "2025-Q1", "2025-07-05", (Fresh, ""));
    fresh(&quarterly, closed, "2025-Q1", "2025-07-21", (Stale, "2025-Q2 due 2025-07-20"));
    fresh(&quarterly, closed, "2025-Q2", "2025-07-01", (UnitClosed, ""));
    // The year 2025 is not wholly in its time.
    fresh(&every(Frequency::Year), closed, "2024", "2026-06-01", (UnitClosed, ""));
    fresh(&every(Frequency::Year), closed, "2024", "2025-06-30", (Fresh, ""));
    let new = span("2025-07-01", "");
    fresh(&every(Frequency::Year), new, "2025-09", "2027-01-01", (Fresh, ""));
    fresh(&every(Frequency::Year), new, "2025-01", "2027-01-21", (Stale, "2026 due 2027-01-20"));
}

#[test]
fn administrative_periods_end_on_the_14th() {
    let monthly =
        Meaning { calendar: Calendar::Report1514, due_days: 0, ..every(Frequency::Month) };
    let stale = (FreshnessState::Stale, "2024-10 due 2024-10-14");
    fresh(&monthly, ALWAYS, "2024-09", "2024-10-14", (FreshnessState::Fresh, ""));
    fresh(&monthly, ALWAYS, "2024-09", "2024-10-15", stale);
    let found = lateness(&monthly, ALWAYS, period("2024-09"), None, day("2024-09-15"));
    assert_eq!((found.state, found.due), (AvailabilityState::Missing, day("2024-09-14")));
}

#[test]
fn lateness_is_that_of_the_first_report() {
    use AvailabilityState::{InTime, Late, Missing, NotDue, UnitNotValid};
    #[track_caller]
    fn check(unit: Span, first: &str, on: &str, expect: (AvailabilityState, i32)) {
        let first = (!first.is_empty()).then(|| day(first));
        let found = lateness(&every(Frequency::Month), unit, period("2024-09"), first, day(on));
        assert_eq!((found.state, found.days_late), expect);
        assert_eq!(found.due, day("2024-10-20"));
    }
    check(ALWAYS, "2024-10-20", "2025-01-01", (InTime, 0));
    check(ALWAYS, "2024-09-10", "2025-01-01", (InTime, 0));
    check(ALWAYS, "2024-10-21", "2025-01-01", (Late, 1));
    check(ALWAYS, "", "2024-10-20", (NotDue, 0));
    check(ALWAYS, "", "2024-10-22", (Missing, 2));
    check(span("", "2024-08-31"), "", "2024-10-22", (UnitNotValid, 0));
    check(span("2024-09-30", ""), "", "2024-10-22", (Missing, 2));
}

#[test]
fn equal_values_share_a_rank() {
    let values = || {
        [(7, "10"), (3, "30"), (9, ""), (5, "30.0"), (1, "20"), (2, "")]
            .map(|(id, value)| (id, (!value.is_empty()).then(|| decimal(value).into())))
            .to_vec()
    };
    let (ranked, unranked) = rank(Direction::MoreIsBetter, values()).unwrap();
    assert_eq!(ranked, [(1, 3), (1, 5), (3, 1), (4, 7)]);
    assert_eq!(unranked, [2, 9]);
    let (ranked, _) = rank(Direction::LessIsBetter, values()).unwrap();
    assert_eq!(ranked, [(1, 7), (2, 1), (3, 3), (3, 5)]);
    let refused = rank(Direction::Neither, values()).unwrap_err();
    assert_eq!(refused.reason(), Reason::FieldInvalid);
    assert_eq!(refused.violations()[0].field, "indicator");
}

#[test]
fn ratios_are_ranked_and_judged_by_their_components() {
    let exact = |above: &str, below: &str| {
        Fraction::from(decimal(above)).mul(&Fraction::count(100)).div(&decimal(below).into())
    };
    // 62/102 is shown as 61, and is less than 60.9.
    let values = vec![(1, exact("62", "102")), (2, Some(decimal("60.9").into()))];
    assert_eq!(rank(Direction::MoreIsBetter, values).unwrap().0, [(1, 2), (2, 1)]);
    let seen = exact("62", "102").unwrap();
    let judged = attain(Comparison::AtLeast, Some(&decimal("61")), Some((&seen, Qualifier::Exact)));
    assert_eq!(judged.state, AttainmentState::NotMet);
    assert_eq!(judged.gap, Some(decimal("-0.21568627450980392157")));
}
