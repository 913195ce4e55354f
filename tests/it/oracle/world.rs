//! Random small worlds: units that two reforms change, definitions of every pair of rules, and what was published.
use std::collections::BTreeMap;

use rand::{Rng, rngs::StdRng};
use sharehub::pb;

use super::fraction::{Fraction, Period, date, day, over, period};
use crate::support::desk::SOURCE;

/// Before everything, and after it.
pub const EVER: (i32, i32) = (i32::MIN, i32::MAX);

#[derive(Clone, Debug)]
pub struct Unit {
    /// The hub's id.
    pub id: i64,
    pub level: pb::UnitLevel,
    pub from: i32,
    pub to: i32,
    /// What it lies below, and from when to when.
    pub parents: Vec<(usize, i32, i32)>,
}

/// That territory went from one unit to another.
#[derive(Clone, Debug)]
pub struct Step {
    pub before: usize,
    pub after: usize,
    pub day: i32,
    pub whole: bool,
    pub weight: Option<Fraction>,
}

#[derive(Clone, Debug)]
pub struct Row {
    pub value: Option<Fraction>,
    pub components: (Option<Fraction>, Option<Fraction>),
    pub qualifier: pb::ValueQualifier,
    pub status: pb::ObservationStatus,
}

#[derive(Clone, Debug)]
pub struct Definition {
    pub wire: pb::Indicator,
    pub report: bool,
    /// Months in a period of its frequency.
    pub each: i32,
    pub rows: BTreeMap<(String, usize), Row>,
    /// What was sent by category, where it has any.
    pub parts: BTreeMap<(String, usize), [Option<Row>; 2]>,
}

impl Definition {
    pub fn is_ratio(&self) -> bool {
        self.wire.kind() == pb::IndicatorKind::Ratio
    }
}

/// The categories of the one dimension that definitions may have; they make the total.
pub const CATEGORIES: [&str; 2] = ["x", "y"];

/// The breakdown by a category.
pub fn breakdown(category: Option<usize>) -> BTreeMap<String, String> {
    category.map(|it| ("d".to_owned(), CATEGORIES[it].to_owned())).into_iter().collect()
}

#[derive(Debug, Default)]
pub struct World {
    pub units: Vec<Unit>,
    pub steps: Vec<Step>,
    pub definitions: Vec<Definition>,
    /// What the units weigh in some means.
    pub weights: Option<Definition>,
    pub reforms: [i32; 2],
}

impl World {
    pub fn random(rng: &mut StdRng) -> Self {
        let first = [day(2025, 3, 1), day(2025, 2, 10), day(2025, 4, 1)];
        let second = [day(2025, 7, 1), day(2025, 9, 20), day(2025, 10, 1)];
        let reforms = [first[rng.random_range(0..3)], second[rng.random_range(0..3)]];
        let mut world = Self { reforms, ..Self::default() };
        world.settle(rng);
        for reform in reforms {
            world.reform(rng, reform);
        }
        let by = world.define(rng, 0, false, pb::TimeRule::Sum, pb::UnitRule::Sum);
        world.weights = Some(by);
        let mut number = 0;
        for ratio in [false, true] {
            let times = [pb::TimeRule::Last, pb::TimeRule::Mean, pb::TimeRule::None];
            let times = times.into_iter().chain([match ratio {
                true => pb::TimeRule::Ratio,
                false => pb::TimeRule::Sum,
            }]);
            for time in times {
                let units = [pb::UnitRule::Mean, pb::UnitRule::Max, pb::UnitRule::Min];
                let units = units.into_iter().chain([match ratio {
                    true => pb::UnitRule::Ratio,
                    false => pb::UnitRule::Sum,
                }]);
                for unit in units {
                    number += 1;
                    let definition = world.define(rng, number, ratio, time, unit);
                    world.definitions.push(definition);
                }
            }
        }
        world
    }

    fn put(&mut self, level: pb::UnitLevel, span: (i32, i32), parent: Option<usize>) -> usize {
        let parents = parent.map(|it| (it, span.0, span.1)).into_iter().collect();
        self.units.push(Unit { id: 0, level, from: span.0, to: span.1, parents });
        self.units.len() - 1
    }

    /// Two provinces of districts and communes; some communes lie below their province.
    fn settle(&mut self, rng: &mut StdRng) {
        for _ in 0..2 {
            let province = self.put(pb::UnitLevel::Province, EVER, None);
            for _ in 0..rng.random_range(1..=2) {
                let district = self.put(pb::UnitLevel::District, EVER, Some(province));
                for _ in 0..rng.random_range(1..=3) {
                    self.put(pb::UnitLevel::Commune, EVER, Some(district));
                }
            }
            if rng.random_bool(0.5) {
                self.put(pb::UnitLevel::Commune, EVER, Some(province));
            }
        }
    }

    fn standing(&self, level: pb::UnitLevel, on: i32) -> Vec<usize> {
        let is_it = |it: &&usize| {
            let unit = &self.units[**it];
            unit.level == level && unit.from <= on && on <= unit.to
        };
        (0..self.units.len()).collect::<Vec<_>>().iter().filter(is_it).copied().collect()
    }

    pub fn parent(&self, unit: usize, on: i32) -> Option<usize> {
        let links = self.units[unit].parents.iter();
        links.filter(|(_, from, to)| *from <= on && on <= *to).map(|it| it.0).next()
    }

    /// Closes a unit, or puts it below another from a day on.
    fn close(&mut self, unit: usize, on: i32) {
        let unit = &mut self.units[unit];
        unit.to = on - 1;
        unit.parents.retain(|it| it.1 < on);
        unit.parents.iter_mut().for_each(|it| it.2 = it.2.min(on - 1));
    }

    fn hang(&mut self, unit: usize, parent: usize, on: i32) {
        let unit = &mut self.units[unit];
        unit.parents.retain(|it| it.1 < on);
        unit.parents.iter_mut().for_each(|it| it.2 = it.2.min(on - 1));
        unit.parents.push((parent, on.max(unit.from), unit.to));
    }

    fn step(
        &mut self,
        before: usize,
        after: usize,
        on: i32,
        whole: bool,
        weight: Option<Fraction>,
    ) {
        self.steps.push(Step { before, after, day: on, whole, weight });
    }

    fn reform(&mut self, rng: &mut StdRng, on: i32) {
        let mut homes = self.standing(pb::UnitLevel::District, on);
        homes.extend(self.standing(pb::UnitLevel::Province, on));
        if rng.random_bool(0.5) {
            // The provinces become one.
            let old = self.standing(pb::UnitLevel::Province, on);
            let new = self.put(pb::UnitLevel::Province, (on, EVER.1), None);
            let kept = rng.random_bool(0.3);
            for district in self.standing(pb::UnitLevel::District, on) {
                if kept { self.hang(district, new, on) } else { self.close(district, on) }
            }
            homes.retain(|it| kept && self.units[*it].level == pb::UnitLevel::District);
            homes.push(new);
            for province in old {
                self.close(province, on);
                self.step(province, new, on, true, None);
            }
        }
        for commune in self.standing(pb::UnitLevel::Commune, on) {
            if self.parent(commune, on).is_none_or(|it| !homes.contains(&it)) {
                let home = homes[rng.random_range(0..homes.len())];
                self.hang(commune, home, on);
            }
        }
        let communes = self.standing(pb::UnitLevel::Commune, on);
        let mut left: Vec<usize> = communes;
        while left.len() > 1 && rng.random_bool(0.8) {
            let one = left.remove(rng.random_range(0..left.len()));
            let two = left.remove(rng.random_range(0..left.len()));
            self.change(rng, on, one, two);
        }
    }

    /// Changes one commune, or two.
    fn change(&mut self, rng: &mut StdRng, on: i32, one: usize, two: usize) {
        let home = self.parent(one, on);
        let commune = |world: &mut Self| world.put(pb::UnitLevel::Commune, (on, EVER.1), home);
        let quarter = over(1, 4);
        let weights = match rng.random_bool(0.5) {
            true => [Some(quarter), Some(over(3, 4))],
            false => [None, None],
        };
        match rng.random_range(0..6) {
            // Both into a new one.
            0 => {
                let new = commune(self);
                for old in [one, two] {
                    self.close(old, on);
                    self.step(old, new, on, true, None);
                }
            }
            // One into the other.
            1 => {
                self.close(one, on);
                self.step(one, two, on, true, None);
            }
            // One into two new ones.
            2 => {
                self.close(one, on);
                for weight in weights {
                    let new = commune(self);
                    self.step(one, new, on, false, weight);
                }
            }
            // Another name.
            3 => {
                let new = commune(self);
                self.close(one, on);
                self.step(one, new, on, true, None);
            }
            // A part of one to the other; both go on.
            4 => self.step(one, two, on, false, weights[0]),
            // One into another and a new one.
            _ => {
                let new = commune(self);
                self.close(one, on);
                self.step(one, two, on, false, weights[0]);
                self.step(one, new, on, false, weights[1]);
            }
        }
    }

    fn define(
        &self,
        rng: &mut StdRng,
        number: usize,
        ratio: bool,
        time: pb::TimeRule,
        unit: pb::UnitRule,
    ) -> Definition {
        let frequencies = [
            (pb::ReportFrequency::Month, 1),
            (pb::ReportFrequency::Quarter, 3),
            (pb::ReportFrequency::HalfYear, 6),
            (pb::ReportFrequency::Year, 12),
        ];
        let (frequency, each) = frequencies[rng.random_range(0..4)];
        let report = rng.random_bool(0.3);
        let calendar = match report {
            true => pb::ReportCalendar::Report1514,
            false => pb::ReportCalendar::Calendar,
        };
        let level = match rng.random_range(0..8) {
            0 => pb::UnitLevel::District,
            1 => pb::UnitLevel::Province,
            _ => pb::UnitLevel::Commune,
        };
        let kind = if ratio { pb::IndicatorKind::Ratio } else { pb::IndicatorKind::Amount };
        let words = |it: &str| if ratio { it.to_owned() } else { String::new() };
        let wire = pb::Indicator {
            code: format!("oracle-{number}"),
            name_vi: "Thử".to_owned(),
            kind: kind.into(),
            unit_of_measure: "%".to_owned(),
            scale: words("100"),
            direction: pb::IndicatorDirection::Neither.into(),
            frequency: frequency.into(),
            calendar: calendar.into(),
            time_rule: time.into(),
            unit_rule: unit.into(),
            numerator: words("tử số"),
            denominator: words("mẫu số"),
            authoritative_source: SOURCE.to_owned(),
            collection_level: level.into(),
            tree: pb::UnitTree::Territory.into(),
            weight: match unit == pb::UnitRule::Mean && rng.random_bool(0.5) {
                true => "oracle-0".to_owned(),
                false => String::new(),
            },
            dimensions: match number > 0 && rng.random_bool(0.4) {
                true => vec![dimension(ratio)],
                false => Vec::new(),
            },
            ..Default::default()
        };
        let (rows, parts) = (BTreeMap::new(), BTreeMap::new());
        let mut definition = Definition { wire, report, each, rows, parts };
        let mut periods: Vec<Period> =
            (0..12 / each).map(|it| period(2025, (it * each, each), report, false)).collect();
        if each < 12 {
            periods.push(period(2025, (0, 12), report, false));
            periods.push(period(2025, (6, 6), report, false));
        }
        for (place, it) in self.units.iter().enumerate() {
            let often = [0.0, 0.15, 0.15, 0.85][usize::try_from(i32::from(it.level)).unwrap()];
            for period in &periods {
                let longer = period.months.1 > each;
                let often = if longer { 0.1 } else { often };
                if it.from <= period.to && period.from <= it.to && rng.random_bool(often) {
                    let key = (period.code.clone(), place);
                    if definition.wire.dimensions.is_empty() || rng.random_bool(0.4) {
                        definition.rows.insert(key, row(rng, ratio));
                        continue;
                    }
                    let mut part = || rng.random_bool(0.9).then(|| row(rng, ratio));
                    let parts = [part(), part()];
                    if rng.random_bool(0.1) {
                        definition.rows.insert(key.clone(), row(rng, ratio));
                    }
                    definition.parts.insert(key, parts);
                }
            }
        }
        definition
    }
}

fn dimension(ratio: bool) -> pb::IndicatorDimension {
    let category = |code: &str| pb::DimensionCategory {
        code: code.to_owned(),
        name_vi: format!("Nhóm {code}"),
        ..Default::default()
    };
    let rule = if ratio { pb::DimensionRule::Ratio } else { pb::DimensionRule::Sum };
    pb::IndicatorDimension {
        code: "d".to_owned(),
        name_vi: "Phân tổ".to_owned(),
        rule: rule.into(),
        exhaustive: true,
        categories: CATEGORIES.map(category).into(),
        ..Default::default()
    }
}

fn row(rng: &mut StdRng, ratio: bool) -> Row {
    use pb::{ObservationStatus as Status, ValueQualifier as How};
    if rng.random_bool(0.05) {
        let status = Status::NotAssessed;
        return Row { value: None, components: (None, None), qualifier: How::Exact, status };
    }
    let hows = [How::MoreThan, How::AtLeast, How::LessThan, How::AtMost, How::About];
    let qualifier = if rng.random_bool(0.25) { hows[rng.random_range(0..5)] } else { How::Exact };
    let status = [Status::Estimated, Status::Provisional, Status::Final, Status::Final]
        [rng.random_range(0..4)];
    let some = |rng: &mut StdRng| Some(over(rng.random_range(-20..200), 4));
    let (mut value, mut components) = (None, (None, None));
    if ratio && rng.random_bool(0.85) {
        components.0 = Some(over(rng.random_range(0..20), 1));
        components.1 = Some(over(rng.random_range(1..12), 1));
    }
    if components.1.is_none() || rng.random_bool(0.3) {
        value = some(rng);
    }
    Row { value, components, qualifier, status }
}

/// The units and successions as they are published. Units are named by codes of the source's own.
pub fn units(world: &World) -> pb::PublishUnitsRequest {
    let code = |it: usize| format!("u{it}");
    let named = |it: usize| {
        let (scheme, code) = (SOURCE.to_owned(), code(it));
        let code = pb::UnitCode { scheme, code, ..Default::default() };
        Some(pb::UnitRef { r#ref: Some(pb::unit_ref::Ref::Code(code)) })
    };
    let from = |it: i32| if it == EVER.0 { String::new() } else { date(it) };
    let before = |it: i32| if it == EVER.1 { String::new() } else { date(it + 1) };
    let entry = |(place, it): (usize, &Unit)| pb::UnitEntry {
        level: it.level.into(),
        name: format!("Đơn vị {place}"),
        valid_from: from(it.from),
        valid_before: before(it.to),
        codes: vec![pb::UnitCodeSpan {
            scheme: SOURCE.to_owned(),
            code: code(place),
            ..Default::default()
        }],
        parents: it
            .parents
            .iter()
            .map(|(parent, first, last)| pb::UnitParentEntry {
                tree: pb::UnitTree::Territory.into(),
                parent: named(*parent),
                valid_from: from(*first),
                valid_before: before(*last),
            })
            .collect(),
        ..Default::default()
    };
    let mut order: Vec<_> = world.units.iter().enumerate().collect();
    order.sort_by_key(|(place, it)| (i32::from(it.level), *place));
    let step = |it: &Step| pb::SuccessionEntry {
        predecessor: named(it.before),
        successor: named(it.after),
        kind: pb::SuccessionKind::Merge.into(),
        effective_date: date(it.day),
        transfer: match it.whole {
            true => pb::TransferExtent::Whole.into(),
            false => pb::TransferExtent::Part.into(),
        },
        weight: it.weight.map_or_else(String::new, Fraction::shown),
        weight_basis: it.weight.map_or_else(String::new, |_| "population".to_owned()),
        legal_act: "Nghị quyết".to_owned(),
        source: "oracle".to_owned(),
    };
    pb::PublishUnitsRequest {
        units: order.into_iter().map(entry).collect(),
        successions: world.steps.iter().map(step).collect(),
        ..Default::default()
    }
}

/// What was published of a definition.
pub fn observations(world: &World, definition: &Definition) -> Vec<pb::ObservationEntry> {
    let shown = |it: Option<Fraction>| it.map(Fraction::shown);
    let entry = |(period, unit): &(String, usize), category, row: &Row| pb::ObservationEntry {
        indicator: definition.wire.code.clone(),
        unit: crate::support::client::id(world.units[*unit].id),
        period: period.clone(),
        breakdown: breakdown(category),
        value: shown(row.value),
        numerator: shown(row.components.0),
        denominator: shown(row.components.1),
        qualifier: row.value.or(row.components.0).map(|_| row.qualifier.into()),
        status: row.status.into(),
        ..Default::default()
    };
    let totals = definition.rows.iter().map(|(key, row)| entry(key, None, row));
    let parts = definition.parts.iter().flat_map(|(key, parts)| {
        let sent = parts.iter().enumerate().filter_map(|(n, row)| Some((n, row.as_ref()?)));
        sent.map(move |(n, row)| entry(key, Some(n), row))
    });
    totals.chain(parts).collect()
}
