//! Rules of units: codes, trees and lineage by date.
use super::{
    CodeSpan, Level, ParentSpan, Ref, Scheme, Succession, SuccessionKind, Transfer, Tree, Unit,
    forest::Forest,
};
use crate::{
    decimal::Decimal,
    error::Reason,
    time::{Day, Span},
};

fn day(text: &str) -> Day {
    Day::parse(text).unwrap()
}

fn unit(id: i64, level: Level, code: &str, span: Span, parent: Option<i64>) -> Unit {
    let codes = vec![CodeSpan { scheme: Scheme::gso(), code: code.to_owned(), span }];
    let parents = parent
        .map(|parent_id| ParentSpan { tree: Tree::Territory, parent_id, span })
        .into_iter()
        .collect();
    Unit { id, level, name: format!("unit {id}"), span, codes, parents, made_at: 1 }
}

fn step(before: i64, after: i64, transfer: Transfer, weight: Option<&str>) -> Succession {
    Succession {
        predecessor_id: before,
        successor_id: Some(after),
        effective: day("2025-07-01"),
        kind: SuccessionKind::Merge,
        transfer,
        weight: weight.map(|it| Decimal::parse(it).unwrap()),
        weight_basis: String::new(),
        legal_act: String::new(),
        source: String::new(),
    }
}

/// Before: province 1 with district 2 and its communes 3, 4. After: province 5 with communes 6, 7; 6 bears the code
/// of 3. Commune 4 is divided between 6 and 7.
fn forest(weights: [Option<&str>; 2]) -> Forest {
    let old = Span { from: Day::FIRST, to: day("2025-06-30") };
    let new = Span { from: day("2025-07-01"), to: Day::LAST };
    let [a, b] = weights;
    Forest::new(
        vec![
            unit(1, Level::Province, "80", old, None),
            unit(2, Level::District, "805", old, Some(1)),
            unit(3, Level::Commune, "28075", old, Some(2)),
            unit(4, Level::Commune, "28078", old, Some(2)),
            unit(5, Level::Province, "80", new, None),
            unit(6, Level::Commune, "28075", new, Some(5)),
            unit(7, Level::Commune, "28087", new, Some(5)),
        ],
        vec![
            step(1, 5, Transfer::Whole, None),
            step(3, 6, Transfer::Whole, None),
            step(4, 6, Transfer::Part, a),
            step(4, 7, Transfer::Part, b),
        ],
    )
}

fn code(code: &str) -> Ref {
    Ref::Code { scheme: Scheme::gso(), code: code.to_owned(), date: None }
}

#[test]
fn a_code_names_the_unit_of_its_day() {
    let forest = forest([None, None]);
    let of = |text, on| forest.resolve(&code(text), day(on), "unit").map(|it| it.id);
    assert_eq!(of("80", "2024-12-31").unwrap(), 1);
    assert_eq!(of("80", "2025-06-30").unwrap(), 1);
    assert_eq!(of("80", "2025-07-01").unwrap(), 5);
    assert_eq!(of("99", "2025-07-01").unwrap_err().reason(), Reason::NotFound);
    let late = of("805", "2026-01-01").unwrap_err();
    assert_eq!(late.reason(), Reason::FieldInvalid);
    assert_eq!(late.violations()[0].field, "unit.code.date");
    assert!(late.message().contains("until 2025-06-30"), "{}", late.message());
}

#[test]
fn the_tree_is_a_function_of_the_date() {
    let forest = forest([None, None]);
    let before = day("2024-01-01");
    assert_eq!(forest.ancestors(3, Tree::Territory, before), [2, 1]);
    assert_eq!(forest.ancestors(6, Tree::Territory, day("2026-01-01")), [5]);
    assert_eq!(
        forest.descendants(1, Tree::Territory, before).into_iter().collect::<Vec<_>>(),
        [2, 3, 4]
    );
    assert_eq!(forest.roots(Tree::Territory, day("2026-01-01")), [5]);
}

#[test]
fn a_closed_district_is_followed_through_its_communes() {
    let forest = forest([None, None]);
    let lineage = forest.trace(forest.get(2).unwrap(), day("2026-01-01"));
    let heirs: Vec<_> = lineage.heirs.iter().map(|(id, _, from)| (*id, from.clone())).collect();
    assert_eq!(heirs, [(6, vec![3, 4]), (7, vec![4])]);
    assert_eq!(lineage.containers, [5]);
    assert_eq!(lineage.steps.len(), 3);
}

#[test]
fn territory_is_carried_forward_and_back() {
    let forest = forest([Some("0.25"), Some("0.75")]);
    let (old, new) = (day("2024-12-31"), day("2026-01-01"));
    let shares: Vec<_> = forest
        .carry(4, old, new)
        .into_iter()
        .map(|it| (it.unit_id, it.transfer, it.weight.map(|it| it.to_string())))
        .collect();
    assert_eq!(
        shares,
        [
            (6, Transfer::Part, Some("0.25".to_owned())),
            (7, Transfer::Part, Some("0.75".to_owned()))
        ]
    );
    let back: Vec<_> = forest.carry(6, new, old).into_iter().map(|it| it.unit_id).collect();
    assert_eq!(back, [3, 4]);
    let unweighted = self::forest([None, None]).carry(4, old, new);
    assert!(unweighted.iter().all(|it| it.weight.is_none()));
}

/// A commune that goes on, but gave a part away, and one whose parts meet again two steps later.
#[test]
fn parts_are_followed_out_of_a_unit_that_goes_on_and_back_together() {
    let always = Span { from: Day::FIRST, to: Day::LAST };
    let until = |text| Span { from: Day::FIRST, to: day(text) };
    let on = |text: &str, step: Succession| Succession { effective: day(text), ..step };
    let forest = Forest::new(
        vec![
            unit(1, Level::Commune, "1", always, None),
            unit(2, Level::Commune, "2", always, None),
            unit(3, Level::Commune, "3", until("2020-12-31"), None),
            unit(4, Level::Commune, "4", until("2021-12-31"), None),
            unit(5, Level::Commune, "5", until("2021-12-31"), None),
            unit(6, Level::Commune, "6", always, None),
        ],
        vec![
            on("2021-01-01", step(1, 2, Transfer::Part, Some("0.2"))),
            on("2021-01-01", step(3, 4, Transfer::Part, Some("0.4"))),
            on("2021-01-01", step(3, 5, Transfer::Part, Some("0.6"))),
            on("2022-01-01", step(4, 6, Transfer::Whole, None)),
            on("2022-01-01", step(5, 6, Transfer::Whole, None)),
        ],
    );
    let carried = |id| {
        let shares = forest.carry(id, day("2020-06-30"), day("2023-01-01")).into_iter();
        let weight = |it: Option<Decimal>| it.map(|it| it.to_string()).unwrap_or_default();
        shares.map(|it| (it.unit_id, it.transfer, weight(it.weight))).collect::<Vec<_>>()
    };
    let text = |it: &str| it.to_owned();
    assert_eq!(carried(1), [(1, Transfer::Part, text("0.8")), (2, Transfer::Part, text("0.2"))]);
    assert_eq!(carried(3), [(6, Transfer::Part, text("1"))]);
}

/// A link in the other tree.
fn administered(parent_id: i64, from: &str, to: &str) -> ParentSpan {
    let end = |text: &str, open| if text.is_empty() { open } else { day(text) };
    let span = Span { from: end(from, Day::FIRST), to: end(to, Day::LAST) };
    ParentSpan { tree: Tree::Administration, parent_id, span }
}

fn facility(id: i64, parents: Vec<ParentSpan>) -> Unit {
    let span = Span { from: Day::FIRST, to: Day::LAST };
    Unit { parents, ..unit(id, Level::Facility, "", span, None) }
}

/// In the other tree the unit above has the one below it among its children, on every day.
fn is_consistent(forest: &Forest, days: &[&str]) {
    for day in days.iter().map(|it| day(it)) {
        let standing: Vec<_> = forest.all().filter(|it| it.span.contains(day)).collect();
        for unit in &standing {
            let parent = forest.parent(unit.id, Tree::Administration, day);
            for above in &standing {
                let below = forest.children(above.id, Tree::Administration, day);
                let (is_below, is_above) = (below.contains(&unit.id), parent == Some(above.id));
                assert_eq!(is_below, is_above, "{} below {} on {day}", unit.id, above.id);
            }
        }
    }
}

#[test]
fn a_facility_follows_its_closed_parent_until_a_link_of_its_own_begins() {
    use Tree::Administration;
    let mut forest = forest([None, None]);
    // Of a commune that went whole; of a divided one; of the district; with a new link a month later; moved away.
    forest.put(facility(20, vec![administered(3, "", "2025-06-30")]));
    forest.put(facility(21, vec![administered(4, "", "2025-06-30")]));
    forest.put(facility(22, vec![administered(2, "", "2025-06-30")]));
    let links = vec![administered(7, "2025-08-01", ""), administered(3, "", "2025-06-30")];
    forest.put(facility(23, links));
    forest.put(facility(24, vec![administered(3, "", "2025-05-31")]));
    let days = ["2025-05-31", "2025-06-30", "2025-07-01", "2025-07-31", "2025-08-01", "2026-01-01"];
    for (id, above) in [
        (20, [Some(3), Some(3), Some(6), Some(6), Some(6), Some(6)]),
        (21, [Some(4), Some(4), Some(5), Some(5), Some(5), Some(5)]),
        (22, [Some(2), Some(2), Some(5), Some(5), Some(5), Some(5)]),
        (23, [Some(3), Some(3), Some(6), Some(6), Some(7), Some(7)]),
        (24, [Some(3), None, None, None, None, None]),
    ] {
        let found = days.map(|it| forest.parent(id, Administration, day(it)));
        assert_eq!(found, above, "{id}");
    }
    is_consistent(&forest, &days);
    assert!(forest.ever_below(5).is_superset(&[20, 21, 22, 23].into()));
    assert!(!forest.ever_below(5).contains(&24));
    // What is put anew is followed anew.
    let closed = Span { from: day("2025-07-01"), to: day("2025-12-31") };
    forest.put(unit(6, Level::Commune, "28075", closed, Some(5)));
    let next = Succession { effective: day("2026-01-01"), ..step(6, 7, Transfer::Whole, None) };
    forest.put_succession(next);
    let found = days.map(|it| forest.parent(20, Administration, day(it)));
    assert_eq!(found, [Some(3), Some(3), Some(6), Some(6), Some(6), Some(7)]);
    is_consistent(&forest, &days);
}

#[test]
fn agencies_that_closed_in_a_circle_are_followed_to_an_end() {
    let span = Span { from: Day::FIRST, to: day("2025-06-30") };
    let mut forest = forest([None, None]);
    for (id, above) in [(20, 21), (21, 20)] {
        let parents = vec![administered(above, "", "2025-06-30")];
        forest.put(Unit { parents, ..unit(id, Level::Agency, "", span, None) });
    }
    forest.put(facility(22, vec![administered(20, "", "2025-06-30")]));
    assert_eq!(forest.parent(22, Tree::Administration, day("2026-01-01")), None);
    let (from, to) = (day("2025-06-30"), day("2026-01-01"));
    assert_eq!(forest.carry_in(Tree::Administration, 22, from, to), []);
}

#[test]
fn a_facility_is_restated_to_where_the_territory_above_it_went() {
    let (old, new) = (day("2025-06-30"), day("2026-01-01"));
    let mut forest = forest([Some("0.4"), Some("0.6")]);
    let put = [(20, 3, None), (21, 4, None), (22, 2, None), (23, 4, Some(7))];
    for (id, before, after) in put {
        let mut links = vec![administered(before, "", "2025-06-30")];
        links.extend(after.map(|it| administered(it, "2025-07-01", "")));
        forest.put(facility(id, links));
    }
    let went = |id: i64, from: Day, to: Day| {
        let shares = forest.carry_in(Tree::Administration, id, from, to);
        let weight = |it: &Option<Decimal>| it.as_ref().map(ToString::to_string);
        let told = |it: super::forest::Share| (it.unit_id, it.transfer, weight(&it.weight));
        shares.into_iter().map(told).collect::<Vec<_>>()
    };
    let whole = || Some("1".to_owned());
    assert_eq!(went(20, old, new), [(6, Transfer::Whole, whole())]);
    // A school is in one place: the share of its commune is none of its own.
    let parts = [(6, Transfer::Part, None), (7, Transfer::Part, None)];
    assert_eq!(went(21, old, new), parts);
    assert_eq!(went(22, old, new), parts);
    assert_eq!(went(23, old, new), [(23, Transfer::Whole, whole())]);
}
