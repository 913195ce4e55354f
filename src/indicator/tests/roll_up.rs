//! What is added up over units and over time, and what is left out.
use super::{VIET_NAM, day, decimal, meaning, period, ratio, reading, small, succession, unit};
use crate::{
    error::{Error, Reason},
    indicator::{
        Geography, Kind, Meaning, Qualifier, Reading, Status, UnitRule,
        roll_up::{Closings, LeftOutReason, Readings, Region, Sum, roll_up},
    },
    time::{Day, Span},
    unit::{Level, ParentSpan, Transfer, Tree, Unit, forest::Forest},
};

pub(super) const BEFORE: &str = "2025-06-30";
pub(super) const AFTER: &str = "2026-01-01";

pub(super) fn current() -> Geography {
    Geography::AsOf(day(AFTER))
}

pub(super) fn ask(
    forest: &Forest,
    meaning: &Meaning,
    unit_id: i64,
    geography: Geography,
    code: &str,
    readings: &Readings,
) -> Result<Sum, Error> {
    let region = whole(forest, meaning, unit_id, geography);
    let closings = Closings::of(forest, meaning, period(code), geography);
    roll_up(&region, period(code), &closings, readings)
}

/// Everything is shared, and nothing is weighted.
pub(super) fn whole<'a>(
    forest: &'a Forest,
    meaning: &'a Meaning,
    unit_id: i64,
    geography: Geography,
) -> Region<'a> {
    Region { forest, meaning, unit_id, geography, shared: &|_, _| true, weights: None }
}

/// Restates 2024 into a unit of 2026.
pub(super) fn restate(forest: &Forest, code: &str, readings: &Readings) -> Sum {
    let unit_id = unit(forest, code, AFTER);
    ask(forest, &meaning(), unit_id, current(), "2024", readings).unwrap()
}

/// Adds up in the small forest, as reported.
pub(super) fn add(meaning: &Meaning, code: &str, readings: &Readings) -> Sum {
    ask(&small(), meaning, 1, Geography::AsReported, code, readings).unwrap()
}

pub(super) fn of<const N: usize>(code: &str, readings: [(i64, Reading); N]) -> Readings {
    readings.into_iter().map(|(id, it)| ((period(code), id), it.into())).collect()
}

/// 1 of each commune of 2024.
fn ones(forest: &Forest) -> Readings {
    let old = |it: &&Unit| it.level == Level::Commune && it.span.contains(day(BEFORE));
    let communes: Vec<_> = forest.all().filter(old).map(|it| it.id).collect();
    assert_eq!(communes.len(), 10_035);
    communes.into_iter().map(|id| ((period("2024"), id), reading("1").into())).collect()
}

pub(super) fn value(sum: &Sum) -> Option<String> {
    sum.reading.as_ref().and_then(|it| it.value.as_ref()).map(ToString::to_string)
}

pub(super) fn counts(sum: &Sum) -> (bool, usize, usize) {
    (sum.coverage.complete, sum.coverage.expected, sum.coverage.reported)
}

pub(super) fn left_out(sum: &Sum) -> Vec<(i64, LeftOutReason)> {
    sum.coverage.left_out.iter().map(|it| (it.unit_id, it.reason)).collect()
}

#[test]
fn one_of_each_commune_restates_to_the_provinces_of_today() {
    let forest = &*VIET_NAM;
    let ones = ones(forest);
    for (code, count) in [("86", 354), ("80", 280), ("19", 280), ("38", 547)] {
        let sum = restate(forest, code, &ones);
        assert_eq!(value(&sum), Some(count.to_string()), "{code}");
        assert_eq!(counts(&sum), (true, count, count), "{code}");
        assert_eq!(sum.reading.unwrap().status, Status::Final);
    }
    for (code, count) in [("83", 148), ("80", 186), ("06", 108)] {
        let unit_id = unit(forest, code, BEFORE);
        let sum = ask(forest, &meaning(), unit_id, Geography::AsReported, "2024", &ones).unwrap();
        assert_eq!(value(&sum), Some(count.to_string()), "{code}");
        assert_eq!(counts(&sum), (true, count, count), "{code}");
    }
}

#[test]
fn a_commune_that_received_a_part_is_incomplete() {
    let forest = &*VIET_NAM;
    let sum = restate(forest, "00025", &ones(forest));
    // Four communes were divided between it and others; none came whole.
    assert!(!sum.coverage.complete);
    let divided = unit(forest, "00007", BEFORE);
    assert!(left_out(&sum).contains(&(divided, LeftOutReason::SplitWithoutWeight)));
    assert!(left_out(&sum).iter().all(|it| it.1 == LeftOutReason::SplitWithoutWeight));
    assert_eq!(sum.coverage.expected, sum.coverage.reported + sum.coverage.left_out.len());
    assert!(sum.coverage.left_out.is_sorted_by_key(|it| it.unit_id));
}

/// The forest in which the commune 00007 was divided by sourced weights.
fn weighted() -> (Forest, i64) {
    let mut forest = VIET_NAM.clone();
    let divided = unit(&forest, "00007", BEFORE);
    for (code, weight) in [("00008", "0.25"), ("00025", "0.75")] {
        let heir = unit(&forest, code, AFTER);
        forest.put_succession(succession(divided, heir, Transfer::Part, Some(weight)));
    }
    (forest, divided)
}

#[test]
fn a_sourced_weight_divides_a_value_and_makes_it_an_estimate() {
    let (forest, divided) = weighted();
    let readings = of("2024", [(divided, reading("100"))]);
    for (code, part) in [("00008", "25"), ("00025", "75")] {
        let sum = restate(&forest, code, &readings);
        assert_eq!(value(&sum).as_deref(), Some(part));
        assert_eq!(sum.reading.as_ref().unwrap().status, Status::Estimated);
        assert!(!left_out(&sum).iter().any(|it| it.0 == divided));
        assert_eq!(sum.coverage.reported, 1);
    }
    // Both parts stayed in the city: it is exact there.
    let city = restate(&forest, "01", &readings).reading.unwrap();
    assert_eq!((city.value, city.status), (Some(decimal("100")), Status::Final));
    // Means, and greatest and least values, are not divided.
    let heir = unit(&forest, "00025", AFTER);
    for unit_rule in [UnitRule::Mean, UnitRule::Max, UnitRule::Min] {
        let meaning = Meaning { unit_rule, ..meaning() };
        let sum = ask(&forest, &meaning, heir, current(), "2024", &readings).unwrap();
        assert_eq!(sum.reading, None);
        assert!(left_out(&sum).contains(&(divided, LeftOutReason::SplitWithoutWeight)));
    }
    // Both components of a ratio are.
    let meaning = Meaning { kind: Kind::Ratio, unit_rule: UnitRule::Ratio, ..meaning() };
    let readings = of("2024", [(divided, ratio("8", "16"))]);
    let sum = ask(&forest, &meaning, heir, current(), "2024", &readings).unwrap();
    let Reading { value, numerator, denominator, status, .. } = sum.reading.unwrap();
    assert_eq!([value, numerator, denominator], ["0.5", "6", "12"].map(|it| Some(decimal(it))));
    assert_eq!(status, Status::Estimated);
}

#[test]
fn a_district_restates_only_to_what_received_all_of_it() {
    let forest = &*VIET_NAM;
    let district = unit(forest, "838", BEFORE);
    let readings = of("2024", [(district, reading("5"))]);
    let sum = restate(forest, "86", &readings);
    assert_eq!(value(&sum).as_deref(), Some("5"));
    assert_eq!(counts(&sum), (false, 354, 13));
    assert!(left_out(&sum).iter().all(|it| it.1 == LeftOutReason::NotReported));
    for commune in ["28915", "28901", "28789", "28921", "28948"] {
        let sum = restate(forest, commune, &readings);
        assert_eq!(sum.reading, None);
        assert_eq!(sum.coverage.reported, 0);
        assert!(left_out(&sum).contains(&(district, LeftOutReason::SpansTarget)), "{commune}");
    }
    // Below it, its communes speak for themselves.
    let communes = ["28889", "28909", "28912", "28915"].map(|it| unit(forest, it, BEFORE));
    let mut readings = of("2024", communes.map(|it| (it, reading("1"))));
    readings.extend(of("2024", [(district, reading("5"))]));
    let sum = restate(forest, "28915", &readings);
    assert_eq!((value(&sum).as_deref(), counts(&sum)), (Some("4"), (true, 4, 4)));
}

#[test]
fn a_value_and_those_below_it_are_never_both_counted() {
    let forest = &*VIET_NAM;
    let mut readings = ones(forest);
    readings.insert((period("2024"), unit(forest, "838", BEFORE)), reading("1000").into());
    let old = unit(forest, "83", BEFORE);
    let sum = ask(forest, &meaning(), old, Geography::AsReported, "2024", &readings).unwrap();
    // 148 communes, 13 of them below the district.
    assert_eq!((value(&sum).as_deref(), counts(&sum)), (Some("1135"), (true, 148, 148)));
    let sum = restate(forest, "86", &readings);
    assert_eq!((value(&sum).as_deref(), counts(&sum)), (Some("1341"), (true, 354, 354)));
    // What the unit itself reported is not in its sum.
    readings.insert((period("2024"), old), reading("7").into());
    let again = ask(forest, &meaning(), old, Geography::AsReported, "2024", &readings).unwrap();
    assert_eq!(value(&again).as_deref(), Some("1135"));
    // Once restated it is one of several: the topmost that reported.
    assert_eq!(value(&restate(forest, "86", &readings)).as_deref(), Some("213"));
}

#[test]
fn a_commune_with_nothing_on_record_is_in_no_restated_region() {
    let forest = &*VIET_NAM;
    let ones = ones(forest);
    let province = unit(forest, "22", BEFORE);
    let as_reported =
        ask(forest, &meaning(), province, Geography::AsReported, "2024", &ones).unwrap();
    let restated = restate(forest, "22", &ones);
    assert!(as_reported.coverage.complete && restated.coverage.complete);
    assert_eq!(as_reported.coverage.expected, restated.coverage.expected + 4);
    // The province still went where all the others went.
    let whole = restate(forest, "22", &of("2024", [(province, reading("9"))]));
    assert_eq!((value(&whole).as_deref(), whole.coverage.complete), (Some("9"), true));
}

#[test]
fn followed_back_a_unit_is_not_divided() {
    let forest = &*VIET_NAM;
    let heir = unit(forest, "28915", AFTER);
    let readings = of("2026", [(heir, reading("8"))]);
    let before = Geography::AsOf(day(BEFORE));
    let back =
        |code| ask(forest, &meaning(), unit(forest, code, BEFORE), before, "2026", &readings);
    // It was made of four whole communes of one district and one province.
    for code in ["838", "83"] {
        let sum = back(code).unwrap();
        assert_eq!(value(&sum).as_deref(), Some("8"), "{code}");
        assert_eq!(sum.reading.unwrap().status, Status::Final);
    }
    for code in ["28915", "28909"] {
        let sum = back(code).unwrap();
        assert_eq!(sum.reading, None);
        assert_eq!(left_out(&sum), [(heir, LeftOutReason::SplitWithoutWeight)]);
    }
}

#[test]
fn a_unit_must_stand_at_the_date_of_the_geography() {
    let forest = &*VIET_NAM;
    let none = Readings::new();
    let try_it = |unit_id, geography, code| {
        ask(forest, &meaning(), unit_id, geography, code, &none).map(|it| it.reading)
    };
    let (old, new) = (unit(forest, "83", BEFORE), unit(forest, "86", AFTER));
    assert_eq!(try_it(old, Geography::AsReported, "2024").unwrap(), None);
    assert_eq!(try_it(new, current(), "2024").unwrap(), None);
    let refused = [
        try_it(old, current(), "2024"),
        try_it(old, Geography::AsReported, "2025"),
        try_it(new, Geography::AsReported, "2025-Q2"),
    ];
    for err in refused.map(Result::unwrap_err) {
        assert_eq!(err.reason(), Reason::FieldInvalid);
        assert_eq!(err.violations()[0].field, "unit");
        assert!(err.message().contains("2025-"), "{}", err.message());
    }
    assert_eq!(try_it(-1, current(), "2024").unwrap_err().reason(), Reason::NotFound);
}

#[test]
fn a_unit_that_took_others_in_lacks_its_own_part() {
    let mut forest = small();
    let mut closed = forest.get(12).unwrap().clone();
    closed.span = Span { from: Day::FIRST, to: day(BEFORE) };
    forest.put(closed);
    forest.put_succession(succession(12, 11, Transfer::Whole, None));
    let readings = of("2024", [(11, reading("3")), (12, reading("4"))]);
    let sum = ask(&forest, &meaning(), 11, current(), "2024", &readings).unwrap();
    assert_eq!((value(&sum).as_deref(), counts(&sum)), (Some("4"), (false, 2, 1)));
    assert_eq!(left_out(&sum), [(11, LeftOutReason::Itself)]);
    let silent = of("2024", [(12, reading("4"))]);
    let sum = ask(&forest, &meaning(), 11, current(), "2024", &silent).unwrap();
    assert_eq!(left_out(&sum), [(11, LeftOutReason::NotReported)]);
    // One that did not has nothing below it, and nothing is expected there.
    let alone = ask(&forest, &meaning(), 13, current(), "2024", &readings).unwrap();
    assert_eq!((alone.reading.clone(), counts(&alone)), (None, (true, 0, 0)));
}

#[test]
fn every_rule_over_units() {
    let values = [(11, reading("1")), (12, reading("2.5")), (13, reading("-1"))];
    for (unit_rule, expect) in [
        (UnitRule::Sum, "2.5"),
        (UnitRule::Mean, "0.83333333333333333333"),
        (UnitRule::Max, "2.5"),
        (UnitRule::Min, "-1"),
    ] {
        let sum = add(&Meaning { unit_rule, ..meaning() }, "2024", &of("2024", values.clone()));
        assert_eq!((value(&sum).as_deref(), counts(&sum)), (Some(expect), (true, 3, 3)));
    }
    let none = Meaning { unit_rule: UnitRule::None, ..meaning() };
    let refused = ask(&small(), &none, 1, Geography::AsReported, "2024", &of("2024", values));
    assert_eq!(refused.unwrap_err().reason(), Reason::NotAggregable);
}

#[test]
fn a_ratio_adds_its_components() {
    let percent = Meaning {
        kind: Kind::Ratio,
        unit_rule: UnitRule::Ratio,
        scale: Some(decimal("100")),
        ..meaning()
    };
    let bare = reading("64");
    let all = of("2024", [(11, ratio("62", "102")), (12, bare.clone()), (13, ratio("0", "98"))]);
    let sum = add(&percent, "2024", &all);
    assert_eq!(counts(&sum), (false, 3, 2));
    assert_eq!(left_out(&sum), [(12, LeftOutReason::NoComponents)]);
    let Reading { value: share, numerator, denominator, .. } = sum.reading.unwrap();
    assert_eq!([share, numerator, denominator], ["31", "62", "200"].map(|it| Some(decimal(it))));
    // A value as it was reported has no part in it, only the components.
    let rounded = Reading { value: Some(decimal("61")), ..ratio("62", "102") };
    let sum = add(&percent, "2024", &of("2024", [(11, rounded)]));
    assert_eq!(value(&sum).as_deref(), Some("60.784313725490196078"));
    // Under another rule the values count, computed where none was reported.
    let greatest = Meaning { unit_rule: UnitRule::Max, scale: None, ..percent.clone() };
    let sum = add(&greatest, "2024", &of("2024", [(11, ratio("1", "4")), (12, bare)]));
    assert_eq!(value(&sum).as_deref(), Some("64"));
    let half = Reading { denominator: None, ..ratio("1", "4") };
    let sum = add(&greatest, "2024", &of("2024", [(11, half)]));
    assert_eq!(left_out(&sum)[0], (11, LeftOutReason::NoValue));
}

#[test]
fn what_has_no_value_is_named_once() {
    let unassessed = Reading { value: None, status: Status::NotAssessed, ..reading("0") };
    let sum = add(&meaning(), "2024", &of("2024", [(11, reading("1")), (12, unassessed.clone())]));
    assert_eq!((value(&sum).as_deref(), counts(&sum)), (Some("1"), (false, 3, 1)));
    let expect = [(12, LeftOutReason::NoValue), (13, LeftOutReason::NotReported)];
    assert_eq!(left_out(&sum), expect);
    let sum = add(&meaning(), "2024", &of("2024", [(12, unassessed.clone())]));
    assert_eq!((sum.reading.clone(), sum.coverage.left_out.len()), (None, 3));
    // A district without a value is not missed where all of its communes have one.
    let forest = &*VIET_NAM;
    let (district, commune) = (unit(forest, "838", BEFORE), unit(forest, "28889", BEFORE));
    let province = unit(forest, "83", BEFORE);
    let mut readings = ones(forest);
    readings.insert((period("2024"), district), unassessed.into());
    let sum = ask(forest, &meaning(), province, Geography::AsReported, "2024", &readings).unwrap();
    assert_eq!((value(&sum).as_deref(), counts(&sum)), (Some("148"), (true, 148, 148)));
    readings.remove(&(period("2024"), commune));
    let sum = ask(forest, &meaning(), province, Geography::AsReported, "2024", &readings).unwrap();
    let expect = [(district, LeftOutReason::NoValue), (commune, LeftOutReason::NotReported)];
    assert_eq!(left_out(&sum), expect);
}

#[test]
fn the_weakest_claim_and_the_least_final_status_win() {
    use Qualifier::{About, AtLeast, AtMost, Exact, LessThan, MoreThan};
    for (claims, expect) in [
        ([Exact, Exact, Exact], Exact),
        ([MoreThan, Exact, MoreThan], MoreThan),
        ([Exact, AtLeast, MoreThan], AtLeast),
        ([LessThan, Exact, Exact], LessThan),
        ([LessThan, AtMost, Exact], AtMost),
        ([MoreThan, LessThan, Exact], About),
        ([AtMost, AtLeast, AtLeast], About),
        ([Exact, About, Exact], About),
        ([About, MoreThan, MoreThan], About),
    ] {
        let mut id = 10;
        let all = claims.map(|qualifier| {
            id += 1;
            (id, Reading { qualifier, ..reading("2") })
        });
        let sum = add(&meaning(), "2024", &of("2024", all)).reading.unwrap();
        assert_eq!((sum.qualifier, sum.value), (expect, Some(decimal("6"))), "{claims:?}");
    }
    let provisional = Reading { status: Status::Provisional, ..reading("1") };
    let newer = Reading { definition_version: 3, ..reading("1") };
    let sum = add(&meaning(), "2024", &of("2024", [(11, provisional), (12, newer)]));
    assert!(sum.definition_changed);
    let sum = sum.reading.unwrap();
    assert_eq!((sum.status, sum.definition_version), (Status::Provisional, 3));
}

#[test]
fn localities_and_agencies_add_up_in_the_other_tree() {
    let mut forest = small();
    let span = Span { from: Day::FIRST, to: Day::LAST };
    let link = ParentSpan { tree: Tree::Administration, parent_id: 1, span };
    for id in [11, 31] {
        let mut unit = forest.get(11).unwrap().clone();
        if id == 31 {
            (unit.id, unit.level, unit.codes, unit.parents) =
                (id, Level::Agency, Vec::new(), Vec::new());
        }
        unit.parents.push(link.clone());
        forest.put(unit);
    }
    let meaning =
        Meaning { tree: Tree::Administration, collection_level: Level::Agency, ..meaning() };
    let readings = of("2024", [(11, reading("1")), (12, reading("2")), (31, reading("4"))]);
    for geography in [Geography::AsReported, current()] {
        let sum = ask(&forest, &meaning, 1, geography, "2024", &readings).unwrap();
        // Commune 12 is below its province without a link of its own in this tree.
        assert_eq!((value(&sum).as_deref(), counts(&sum)), (Some("7"), (true, 1, 1)));
    }
}
