//! What is added up over time.
use super::{
    VIET_NAM, decimal, meaning, period, ratio, reading,
    roll_up::{AFTER, BEFORE, add, ask, counts, current, of, value},
    small, unit,
};
use crate::{
    error::Reason,
    indicator::{
        Calendar, Frequency, Geography, Kind, Meaning, Reading, TimeRule, UnitRule,
        roll_up::{LeftOut, LeftOutReason, Readings, periods_needed},
    },
};

fn monthly(time_rule: TimeRule) -> Meaning {
    Meaning { frequency: Frequency::Month, time_rule, ..meaning() }
}

/// For each month of 2024-Q1 the same reading of every commune of province 1.
fn months<const N: usize>(months: [(&str, Reading); N]) -> Readings {
    let each = |(code, it): (&str, Reading)| of(code, [11, 12, 13].map(|id| (id, it.clone())));
    months.into_iter().flat_map(each).collect()
}

#[test]
fn a_longer_period_is_combined_from_its_parts() {
    let all =
        months([("2024-01", reading("1")), ("2024-02", reading("2")), ("2024-03", reading("6"))]);
    for (rule, expect) in [(TimeRule::Sum, "27"), (TimeRule::Last, "18"), (TimeRule::Mean, "9")] {
        let sum = add(&monthly(rule), "2024-Q1", &all);
        assert_eq!((value(&sum).as_deref(), counts(&sum)), (Some(expect), (true, 3, 3)));
        assert_eq!(value(&add(&monthly(rule), "2024-02", &all)).as_deref(), Some("6"));
        assert_eq!(value(&add(&monthly(rule), "2024-YTD-01", &all)).as_deref(), Some("3"));
    }
    let none = monthly(TimeRule::None);
    let refused = ask(&small(), &none, 1, Geography::AsReported, "2024-Q1", &all).unwrap_err();
    assert_eq!(refused.reason(), Reason::NotAggregable);
    assert_eq!(value(&add(&none, "2024-YTD-01", &all)).as_deref(), Some("3"));
    // Reported as such, it is used as such, whatever the rule; one quarter never replaces a neighbour's months.
    let mut with_quarter = all.clone();
    with_quarter.extend(of("2024-Q1", [(12, reading("100"))]));
    let sum = add(&monthly(TimeRule::Sum), "2024-Q1", &with_quarter);
    assert_eq!((value(&sum).as_deref(), counts(&sum)), (Some("118"), (true, 3, 3)));
    let refused = ask(&small(), &none, 1, Geography::AsReported, "2024-Q1", &with_quarter);
    assert_eq!(refused.unwrap_err().reason(), Reason::NotAggregable, "the others sent months");
    let alone = of("2024-Q1", [(12, reading("100"))]);
    let sum = add(&none, "2024-Q1", &alone);
    assert_eq!((value(&sum).as_deref(), counts(&sum)), (Some("100"), (false, 3, 1)));
    assert_eq!(sum.coverage.left_out[0].period, None);
    // What the unit itself reported is not that.
    let mut with_own = all;
    with_own.extend(of("2024-Q1", [(1, reading("100")), (21, reading("100"))]));
    assert_eq!(value(&add(&monthly(TimeRule::Sum), "2024-Q1", &with_own)).as_deref(), Some("27"));
}

#[test]
fn a_missing_part_makes_it_incomplete() {
    let missing = |code: &str, ids: [i64; 3]| {
        let (period, reason) = (Some(period(code)), LeftOutReason::NotReported);
        ids.map(|unit_id| LeftOut { unit_id, reason, period })
    };
    let no_february = months([("2024-01", reading("1")), ("2024-03", reading("6"))]);
    for (rule, expect) in [(TimeRule::Sum, "21"), (TimeRule::Last, "18"), (TimeRule::Mean, "10.5")]
    {
        let sum = add(&monthly(rule), "2024-Q1", &no_february);
        assert_eq!((value(&sum).as_deref(), counts(&sum)), (Some(expect), (false, 3, 3)));
        assert_eq!(sum.coverage.left_out, missing("2024-02", [11, 12, 13]));
    }
    // The last one is the latest that is here.
    let no_march = months([("2024-01", reading("1")), ("2024-02", reading("2"))]);
    let sum = add(&monthly(TimeRule::Last), "2024-Q1", &no_march);
    assert_eq!((value(&sum).as_deref(), counts(&sum)), (Some("6"), (false, 3, 3)));
    assert_eq!(sum.coverage.left_out, missing("2024-03", [11, 12, 13]));
    // One unit of one month.
    let mut one_less = no_february;
    one_less.extend(of("2024-02", [(11, reading("2")), (13, reading("2"))]));
    let sum = add(&monthly(TimeRule::Sum), "2024-Q1", &one_less);
    assert_eq!((value(&sum).as_deref(), counts(&sum)), (Some("25"), (false, 3, 3)));
    assert_eq!(sum.coverage.left_out, missing("2024-02", [12; 3])[..1]);
    let nothing = add(&monthly(TimeRule::Sum), "2024-Q1", &Readings::new());
    // Who sent nothing at all is named once.
    assert_eq!((nothing.reading.clone(), nothing.coverage.left_out.len()), (None, 3));
}

#[test]
fn ratios_over_time_add_their_components() {
    let rule =
        Meaning { kind: Kind::Ratio, unit_rule: UnitRule::Ratio, ..monthly(TimeRule::Ratio) };
    let all = months([("2024-01", ratio("1", "2")), ("2024-02", ratio("1", "4"))]);
    let sum = add(&rule, "2024-YTD-02", &all).reading.unwrap();
    assert_eq!((sum.numerator, sum.denominator), (Some(decimal("6")), Some(decimal("18"))));
    assert_eq!(sum.value, Some(decimal("0.33333333333333333333")));
    // Time comes first: each unit's own ratio, and then the greatest of them.
    let greatest = Meaning { unit_rule: UnitRule::Max, ..rule.clone() };
    let mut better = all.clone();
    better.extend(of("2024-02", [(12, ratio("3", "4"))]));
    let sum = add(&greatest, "2024-YTD-02", &better);
    assert_eq!(value(&sum).as_deref(), Some("0.66666666666666666667"));
    // Means over time leave no components.
    let mean = Meaning { time_rule: TimeRule::Mean, ..rule };
    let refused = ask(&small(), &mean, 1, Geography::AsReported, "2024-YTD-02", &all);
    assert_eq!(refused.unwrap_err().reason(), Reason::NotAggregable);
    assert_eq!(value(&add(&mean, "2024-01", &all)).as_deref(), Some("0.5"));
}

#[test]
fn a_change_of_definition_between_parts_is_told() {
    let newer = Reading { definition_version: 2, ..reading("1") };
    let all = months([("2024-01", reading("1")), ("2024-02", reading("1")), ("2024-03", newer)]);
    let sum = |rule| add(&monthly(rule), "2024-Q1", &all);
    assert!(sum(TimeRule::Sum).definition_changed);
    assert_eq!(sum(TimeRule::Sum).reading.unwrap().definition_version, 2);
    assert!(!sum(TimeRule::Last).definition_changed);
}

#[test]
fn each_part_stands_on_its_own_last_day() {
    let forest = &*VIET_NAM;
    let new = unit(forest, "86", AFTER);
    let old = unit(forest, "838", BEFORE);
    let heir = unit(forest, "28915", AFTER);
    let mut readings = of("2025-06", [(old, reading("5"))]);
    readings.extend(of("2025-07", [(heir, reading("7")), (old, reading("100"))]));
    let ask = |meaning: &Meaning, geography| {
        ask(forest, meaning, new, geography, "2025-H2", &readings).unwrap()
    };
    // Administrative reports: the second half begins on 15 June; July ends on the 14th.
    let report = Meaning { calendar: Calendar::Report1514, ..monthly(TimeRule::Sum) };
    // The district stood until the end of June, inside the month of July, and so did 354 communes.
    let sum = ask(&report, Geography::AsReported);
    assert_eq!(value(&sum).as_deref(), Some("107"));
    assert_eq!(counts(&sum), (false, 124 + 354, 1 + 13));
    let months = |code| periods_needed(&report, period(code)).len();
    assert_eq!((months("2025-H2"), months("2025-07"), months("2025-W30")), (7, 1, 1));
    // The year: what its predecessors reported until June is the new province's.
    for geography in [Geography::AsReported, current()] {
        let year = self::ask(forest, &report, new, geography, "2025", &readings).unwrap();
        assert_eq!(value(&year).as_deref(), Some("112"));
        let missing = |unit_id, code| LeftOut {
            unit_id,
            reason: LeftOutReason::NotReported,
            period: Some(period(code)),
        };
        let left_out = &year.coverage.left_out;
        assert!(left_out.contains(&missing(old, "2025-05")));
        assert!(left_out.contains(&missing(heir, "2025-08")));
        assert!(!left_out.contains(&missing(heir, "2025-06")), "it did not stand yet");
    }
}

#[test]
fn the_periods_needed_are_the_period_and_its_parts() {
    fn check(frequency: Frequency, code: &str, expect: &str) {
        let found = periods_needed(&Meaning { frequency, ..meaning() }, period(code));
        let found: Vec<_> = found.iter().map(ToString::to_string).collect();
        assert_eq!(found.join(" "), expect);
    }
    check(Frequency::Quarter, "2024", "2024 2024-Q1 2024-Q2 2024-Q3 2024-Q4");
    // What does not make it up is looked at, to tell who sent something else.
    check(Frequency::Quarter, "2024-YTD-08", "2024-YTD-08 2024-Q1 2024-Q2");
    check(Frequency::Week, "2024-02", "2024-02 2024-W05 2024-W06 2024-W07 2024-W08");
    check(Frequency::Quarter, "2024-Q1", "2024-Q1");
    check(Frequency::Year, "2024-Q1", "2024-Q1");
}
