//! Units that close inside a period: what they reported until then is counted once, or named.
use super::{
    day, decimal, meaning, ratio, reading,
    roll_up::{BEFORE, ask, counts, current, left_out, of, value},
    small, succession,
};
use crate::{
    indicator::{
        Frequency, Geography, Kind, Meaning, Qualifier, Reading, TimeRule, UnitRule,
        roll_up::{LeftOutReason, Said},
    },
    time::{Day, Span},
    unit::{Level, ParentSpan, Transfer, Tree, forest::Forest},
};

/// Communes 11 and 12 merged into 14 on 2025-07-01, below province 1; 13 goes on.
fn merged() -> Forest {
    let mut forest = small();
    for id in [11, 12] {
        let mut closed = forest.get(id).unwrap().clone();
        closed.span = Span { from: Day::FIRST, to: day(BEFORE) };
        forest.put(closed);
        forest.put_succession(succession(id, 14, Transfer::Whole, None));
    }
    let mut new = forest.get(13).unwrap().clone();
    new.id = 14;
    new.span = Span { from: day("2025-07-01"), to: Day::LAST };
    new.codes.clear();
    forest.put(new);
    forest
}

fn rules(time_rule: TimeRule, unit_rule: UnitRule) -> Meaning {
    Meaning { kind: Kind::Amount, time_rule, unit_rule, ..meaning() }
}

#[track_caller]
fn check(
    meaning: &Meaning,
    values: &[(i64, Reading)],
    expect: (Option<&str>, (bool, usize, usize)),
) {
    let forest = merged();
    let readings = values.iter().map(|(id, it)| ((super::period("2025"), *id), it.clone().into()));
    let readings = readings.collect();
    for geography in [Geography::AsReported, current()] {
        let sum = ask(&forest, meaning, 1, geography, "2025", &readings).unwrap();
        let (time, unit) = (meaning.time_rule, meaning.unit_rule);
        assert_eq!((value(&sum).as_deref(), counts(&sum)), expect, "{time:?} {unit:?}");
    }
}

#[test]
fn what_a_closed_unit_reported_adds_to_its_successor() {
    let all = [(11, reading("10")), (12, reading("30")), (13, reading("6")), (14, reading("50"))];
    let whole = (true, 4, 4);
    check(&rules(TimeRule::Sum, UnitRule::Sum), &all, (Some("96"), whole));
    // 14 and what it came from are one territory of 90.
    check(&rules(TimeRule::Sum, UnitRule::Mean), &all, (Some("48"), whole));
    check(&rules(TimeRule::Sum, UnitRule::Max), &all, (Some("90"), whole));
    check(&rules(TimeRule::Sum, UnitRule::Min), &all, (Some("6"), whole));
    // Two at a time added up for 181 days, then one of 50 for 184: their mean over time is what adds up.
    let mean = "51.041095890410958904";
    check(&rules(TimeRule::Mean, UnitRule::Sum), &all, (Some(mean), whole));
    // (10 + 30) x 181 + 50 x 184, over 2 x 181 + 184 days.
    check(&rules(TimeRule::Mean, UnitRule::Max), &all, (Some("30.10989010989010989"), whole));
    // The end counts.
    let left = (false, 4, 2);
    check(&rules(TimeRule::Last, UnitRule::Sum), &all, (Some("56"), left));
    check(&rules(TimeRule::None, UnitRule::Sum), &all, (Some("56"), left));
    check(&rules(TimeRule::Last, UnitRule::Sum), &all[2..], (Some("56"), (true, 2, 2)));
    let ratios = [(11, ratio("1", "2")), (12, ratio("1", "6")), (14, ratio("4", "4"))];
    let by_ratio = Meaning { kind: Kind::Ratio, ..rules(TimeRule::Ratio, UnitRule::Ratio) };
    check(&by_ratio, &ratios, (Some("0.5"), (false, 4, 3)));
    let greatest = Meaning { unit_rule: UnitRule::Max, ..by_ratio };
    check(&greatest, &ratios, (Some("0.5"), (false, 4, 3)));
}

#[test]
fn where_one_of_them_is_silent_the_other_stands_alone() {
    let max = rules(TimeRule::Sum, UnitRule::Max);
    check(&max, &[(11, reading("10")), (12, reading("30"))], (Some("40"), (false, 4, 2)));
    check(&max, &[(14, reading("50"))], (Some("50"), (false, 4, 1)));
    let forest = merged();
    let readings = of("2025", [(11, reading("10")), (13, reading("1"))]);
    let sum = ask(&forest, &max, 1, Geography::AsReported, "2025", &readings).unwrap();
    let silent = [(12, LeftOutReason::NotReported), (14, LeftOutReason::NotReported)];
    assert_eq!(left_out(&sum), silent);
    let readings = of("2025", [(11, reading("10"))]);
    let last = rules(TimeRule::Last, UnitRule::Sum);
    let sum = ask(&forest, &last, 1, Geography::AsReported, "2025", &readings).unwrap();
    assert!(left_out(&sum).contains(&(11, LeftOutReason::ClosedBeforeEnd)));
    assert_eq!(counts(&sum), (false, 3, 0));
}

#[test]
fn its_own_parts_speak_for_it() {
    let monthly = Meaning { frequency: Frequency::HalfYear, ..rules(TimeRule::Sum, UnitRule::Sum) };
    let forest = merged();
    let mut readings = of("2025-H1", [(11, reading("1")), (12, reading("2")), (13, reading("3"))]);
    readings.extend(of("2025-H2", [(13, reading("4")), (14, reading("5"))]));
    let sum = ask(&forest, &monthly, 1, Geography::AsReported, "2025", &readings).unwrap();
    assert_eq!((value(&sum).as_deref(), counts(&sum)), (Some("15"), (true, 4, 4)));
    // By parts, each half weighs the same.
    let mean = Meaning { frequency: Frequency::HalfYear, ..rules(TimeRule::Mean, UnitRule::Sum) };
    let sum = ask(&forest, &mean, 1, Geography::AsReported, "2025", &readings).unwrap();
    assert_eq!(value(&sum).as_deref(), Some("7.5"));
    // In the geography of before, the new unit came from both.
    let before = Geography::AsOf(day(BEFORE));
    let sum = ask(&forest, &monthly, 1, before, "2025", &readings).unwrap();
    assert_eq!((value(&sum).as_deref(), counts(&sum)), (Some("15"), (true, 4, 4)));
    let lone = ask(&forest, &monthly, 11, before, "2025", &readings).unwrap();
    assert_eq!(value(&lone), None);
    let expect = [(11, LeftOutReason::Itself), (14, LeftOutReason::SplitWithoutWeight)];
    assert_eq!(left_out(&lone), expect);
}

/// Commune 11 was divided between 12 and 13, by these weights.
fn divided(weights: Option<[&str; 2]>) -> Forest {
    let mut forest = small();
    let mut closed = forest.get(11).unwrap().clone();
    closed.span = Span { from: Day::FIRST, to: day(BEFORE) };
    forest.put(closed);
    for (i, heir) in [12, 13].into_iter().enumerate() {
        let weight = weights.and_then(|it| it.get(i).copied());
        forest.put_succession(succession(11, heir, Transfer::Part, weight));
    }
    forest
}

#[test]
fn a_divided_unit_is_exact_where_all_of_it_stayed() {
    let all = of("2025", [(11, reading("8")), (12, reading("1")), (13, reading("2"))]);
    let ask_it = |forest: &Forest, meaning: &Meaning, unit: i64| {
        ask(forest, meaning, unit, Geography::AsReported, "2025", &all).unwrap()
    };
    let forest = divided(None);
    let sum = ask_it(&forest, &rules(TimeRule::Sum, UnitRule::Sum), 1);
    assert_eq!((value(&sum).as_deref(), counts(&sum)), (Some("11"), (true, 3, 3)));
    let mean = ask_it(&forest, &rules(TimeRule::Sum, UnitRule::Mean), 1);
    assert_eq!((value(&mean).as_deref(), counts(&mean)), (Some("5.5"), (true, 3, 3)));
    for (time, unit, expect) in [
        (TimeRule::Sum, UnitRule::Max, "2"),
        (TimeRule::Sum, UnitRule::Min, "1"),
        (TimeRule::Mean, UnitRule::Mean, "1.5"),
    ] {
        let sum = ask_it(&forest, &rules(time, unit), 1);
        assert_eq!((value(&sum).as_deref(), counts(&sum)), (Some(expect), (false, 3, 2)));
        assert_eq!(left_out(&sum), [(11, LeftOutReason::SplitWithoutWeight)]);
    }
    // Into one of them it goes only by a weight.
    let sum = rules(TimeRule::Sum, UnitRule::Sum);
    let alone = ask_it(&forest, &sum, 12);
    assert_eq!(value(&alone), None);
    let weighted = ask_it(&divided(Some(["0.25", "0.75"])), &sum, 12);
    assert_eq!(value(&weighted).as_deref(), Some("2"));
    assert_eq!(left_out(&weighted), [(12, LeftOutReason::Itself)]);
}

/// District 5 stood above communes 11 and 12 until 2025-06-30. They go on, below the province.
fn dissolved() -> Forest {
    let mut forest = small();
    let mut district = forest.get(11).unwrap().clone();
    (district.id, district.level) = (5, Level::District);
    district.span = Span { from: Day::FIRST, to: day(BEFORE) };
    district.codes.clear();
    forest.put(district);
    for id in [11, 12] {
        let mut commune = forest.get(id).unwrap().clone();
        let link = |parent_id, from, to| ParentSpan {
            tree: Tree::Territory,
            parent_id,
            span: Span { from, to },
        };
        commune.parents =
            vec![link(5, Day::FIRST, day(BEFORE)), link(1, day("2025-07-01"), Day::LAST)];
        forest.put(commune);
    }
    forest
}

#[test]
fn no_territory_is_counted_twice() {
    let forest = dissolved();
    let sum = rules(TimeRule::Sum, UnitRule::Sum);
    let asked = |values: &[(i64, &str)]| {
        let said = |(id, it): &(i64, &str)| ((super::period("2025"), *id), reading(it).into());
        let readings = values.iter().map(said).collect();
        ask(&forest, &sum, 1, Geography::AsReported, "2025", &readings).unwrap()
    };
    // Its communes live on and have told of the same time.
    let told = asked(&[(5, "100"), (11, "1"), (12, "2"), (13, "3")]);
    assert_eq!((value(&told).as_deref(), counts(&told)), (Some("6"), (true, 3, 3)));
    // None of them has: the district speaks for its time.
    let alone = asked(&[(5, "100"), (13, "3")]);
    assert_eq!((value(&alone).as_deref(), counts(&alone)), (Some("103"), (false, 3, 1)));
    // One has: it cannot be told apart.
    let mixed = asked(&[(5, "100"), (11, "1"), (13, "3")]);
    assert_eq!((value(&mixed).as_deref(), counts(&mixed)), (Some("4"), (false, 3, 2)));
    let expect = [(5, LeftOutReason::SplitWithoutWeight), (12, LeftOutReason::NotReported)];
    assert_eq!(left_out(&mixed), expect);
}

#[test]
fn a_unit_that_closed_without_a_successor_stays_with_what_was_above_it() {
    let mut forest = small();
    let mut closed = forest.get(11).unwrap().clone();
    closed.span = Span { from: Day::FIRST, to: day(BEFORE) };
    forest.put(closed);
    let all = of("2025", [(11, reading("8")), (12, reading("1")), (13, reading("2"))]);
    let sum = rules(TimeRule::Sum, UnitRule::Sum);
    let year = ask(&forest, &sum, 1, Geography::AsReported, "2025", &all).unwrap();
    assert_eq!((value(&year).as_deref(), counts(&year)), (Some("11"), (true, 3, 3)));
    let restated = ask(&forest, &sum, 1, current(), "2025", &all).unwrap();
    assert_eq!((value(&restated).as_deref(), counts(&restated)), (Some("3"), (true, 2, 2)));
}

#[test]
fn what_a_unit_said_in_part_is_named() {
    let forest = small();
    let mut readings = of("2024", [(11, reading("1")), (12, reading("2"))]);
    readings.insert((super::period("2024"), 13), Said::Partial);
    let about = Reading { qualifier: Qualifier::About, value: Some(decimal("4")), ..reading("0") };
    readings.insert((super::period("2024"), 11), about.into());
    let sum = rules(TimeRule::Sum, UnitRule::Sum);
    let sum = ask(&forest, &sum, 1, Geography::AsReported, "2024", &readings).unwrap();
    assert_eq!(left_out(&sum), [(13, LeftOutReason::Partial)]);
    assert_eq!(sum.reading.unwrap().qualifier, Qualifier::About);
}
