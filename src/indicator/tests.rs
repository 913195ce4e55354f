//! Rules of indicators: what is added up, and what is judged.
mod closed;
mod judge;
mod over_time;
mod roll_up;

use std::sync::LazyLock;

use super::{Calendar, Direction, Frequency, Kind, Meaning, Qualifier, Reading, Status};
use super::{TimeRule, UnitRule};
use crate::{
    caller::SystemCode,
    decimal::Decimal,
    period::Period,
    time::{Day, Span},
    unit::{
        CodeSpan, Level, ParentSpan, Ref, Scheme, Succession, SuccessionKind, Transfer, Tree, Unit,
        forest::Forest, reference,
    },
};

/// The units of Viet Nam before and after 2025-07-01.
static VIET_NAM: LazyLock<Forest> = LazyLock::new(|| {
    let published = reference::entries().unwrap();
    let mut forest = Forest::default();
    let find = |forest: &Forest, named: &Ref, on: Day| forest.resolve(named, on, "").unwrap().id;
    for entry in published.units {
        let entry = entry.unwrap();
        let day = if entry.span.to == Day::LAST { entry.span.from } else { entry.span.to };
        let parents = entry.parents.iter().map(|it| ParentSpan {
            tree: it.tree,
            parent_id: find(&forest, &it.parent, day),
            span: it.span,
        });
        let unit = Unit {
            id: forest.next_id(),
            level: entry.level,
            name: entry.name,
            span: entry.span,
            codes: entry.codes,
            parents: parents.collect(),
            made_at: 1,
        };
        forest.put(unit);
    }
    for entry in published.successions {
        let entry = entry.unwrap();
        let after = entry.successor.map(|it| find(&forest, &it, entry.effective));
        forest.put_succession(Succession {
            predecessor_id: find(&forest, &entry.predecessor, entry.effective.previous()),
            successor_id: after,
            effective: entry.effective,
            kind: entry.kind,
            transfer: entry.transfer,
            weight: entry.weight,
            weight_basis: entry.weight_basis,
            legal_act: entry.legal_act,
            source: entry.source,
        });
    }
    forest
});

fn day(text: &str) -> Day {
    Day::parse(text).unwrap()
}

fn period(code: &str) -> Period {
    Period::parse(code).unwrap()
}

fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

/// The unit that bore a `gso` code on a day.
fn unit(forest: &Forest, code: &str, on: &str) -> i64 {
    let named = Ref::Code { scheme: Scheme::gso(), code: code.to_owned(), date: None };
    forest.resolve(&named, day(on), "unit").unwrap().id
}

/// A count of every year that communes report, to be added up.
fn meaning() -> Meaning {
    Meaning {
        name_vi: String::new(),
        name_en: String::new(),
        description: String::new(),
        kind: Kind::Count,
        unit_of_measure: String::new(),
        scale: None,
        direction: Direction::MoreIsBetter,
        frequency: Frequency::Year,
        calendar: Calendar::Calendar,
        time_rule: TimeRule::Sum,
        unit_rule: UnitRule::Sum,
        numerator: String::new(),
        denominator: String::new(),
        legal_basis: String::new(),
        owner_agency: String::new(),
        authoritative_source: SystemCode::parse("source").unwrap(),
        due_days: 20,
        sharing_level: None,
        collection_level: Level::Commune,
        tree: Tree::Territory,
        retired: false,
        description_en: String::new(),
        unit_of_measure_en: String::new(),
        dimensions: super::dimension::Dimensions::default(),
        group: None,
        display_order: 0,
        decimals: None,
        continues: None,
        weight: None,
    }
}

fn reading(value: &str) -> Reading {
    Reading {
        value: Some(decimal(value)),
        numerator: None,
        denominator: None,
        qualifier: Qualifier::Exact,
        status: Status::Final,
        definition_version: 1,
    }
}

fn ratio(numerator: &str, denominator: &str) -> Reading {
    Reading {
        value: None,
        numerator: Some(decimal(numerator)),
        denominator: Some(decimal(denominator)),
        ..reading("0")
    }
}

/// Province 1 with communes 11, 12, 13, and province 2 with commune 21, all valid always. Codes are the ids.
fn small() -> Forest {
    let span = Span { from: Day::FIRST, to: Day::LAST };
    let put = |id: i64, level, parent: Option<i64>| Unit {
        id,
        level,
        name: format!("unit {id}"),
        span,
        codes: vec![CodeSpan { scheme: Scheme::gso(), code: id.to_string(), span }],
        parents: parent
            .map(|parent_id| ParentSpan { tree: Tree::Territory, parent_id, span })
            .into_iter()
            .collect(),
        made_at: 1,
    };
    let units = vec![
        put(1, Level::Province, None),
        put(2, Level::Province, None),
        put(11, Level::Commune, Some(1)),
        put(12, Level::Commune, Some(1)),
        put(13, Level::Commune, Some(1)),
        put(21, Level::Commune, Some(2)),
    ];
    Forest::new(units, Vec::new())
}

/// A succession on 2025-07-01.
fn succession(before: i64, after: i64, transfer: Transfer, weight: Option<&str>) -> Succession {
    Succession {
        predecessor_id: before,
        successor_id: Some(after),
        effective: day("2025-07-01"),
        kind: SuccessionKind::Merge,
        transfer,
        weight: weight.map(decimal),
        weight_basis: String::new(),
        legal_act: String::new(),
        source: String::new(),
    }
}
