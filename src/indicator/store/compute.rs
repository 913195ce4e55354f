//! Computes over units: loads the readings that a roll-up or a ranking needs, and asks the rules.
use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use sea_orm::{ColumnTrait, FromQueryResult, QueryFilter, QuerySelect};

use super::{
    observations,
    parts::{CellRow, has_parts, must_break_down, resolve_rows},
    read::{Names, ObservationView},
    weights::weights,
};
use crate::{
    caller::Caller,
    decimal::Decimal,
    error::{Error, Result},
    fraction::Fraction,
    hub::Hub,
    indicator::definitions::Definitions,
    indicator::{
        Breakdown, Definition, Geography, Qualifier, Reading, RollUpOf, Status,
        breakdown::{Resolved, resolve},
        judge,
        queries::{Rank, RollUp},
        roll_up::{self, Closings, IsShared, Readings, Region, Said, Sum, Weights},
        row::observation,
    },
    period::Period,
    revision::{Revision, View},
    time::Day,
    unit::Name,
};

/// A sum for one period, beside what the unit itself reported.
#[derive(Debug)]
pub struct RolledUp {
    /// The period.
    pub period: Period,
    /// The version of the definition that the values in it were published under: the newest of them.
    pub definition: Arc<Definition>,
    /// The sum.
    pub sum: Sum,
    /// What the unit itself reported.
    pub reported: Option<ObservationView>,
}

impl ObservationView {
    /// The exact value by which it is compared: a ratio's by its components, where both are known.
    pub(super) fn exact(&self) -> Option<Fraction> {
        self.row.reading().exact(&self.definition.meaning)
    }
}

/// A unit in a ranking.
#[derive(Debug)]
pub struct RankedUnit {
    /// Its rank; 0 when it has no value.
    pub rank: i32,
    /// The unit.
    pub unit: Name,
    /// The version of the definition that the values in its sum were published under.
    pub definition: Arc<Definition>,
    /// What it reported, when it was ranked by that.
    pub reported: Option<ObservationView>,
    /// What was added up, when it was ranked by that.
    pub sum: Option<Sum>,
}

/// Units by their values, best first, and those that have none.
#[derive(Debug)]
pub struct Ranked {
    /// Those with a value.
    pub ranked: Vec<RankedUnit>,
    /// Those without.
    pub unranked: Vec<RankedUnit>,
    /// Whether the values were published under different versions of the definition.
    pub definition_changed: bool,
}

/// A definition with the names of the units that an answer speaks of.
#[derive(Debug)]
pub struct Computed<T> {
    /// The revision it was read at.
    pub revision: Revision,
    /// The definition.
    pub definition: Arc<Definition>,
    /// Units by their names.
    pub forest: Arc<crate::unit::forest::Forest>,
    /// The answer.
    pub answer: T,
}

/// Sums over the units below a unit.
pub async fn roll_up(
    hub: &Hub,
    caller: &Caller,
    asked: RollUp,
) -> Result<Computed<(Name, Vec<RolledUp>)>> {
    let RollUp { indicator, unit, periods, geography, of, breakdown, consistency } = asked;
    let view = hub.revisions.view(caller, consistency).await?;
    let definitions = hub.reference::<Definitions>(&view).await?;
    let definition = definitions.visible(caller, &indicator).map_err(|it| it.at("indicator"))?;
    let names = Names::open(hub, &view).await?;
    let meaning = &definition.meaning;
    let periods: Vec<_> = periods.into_iter().map(|it| meaning.canonical(it)).collect();
    let ends = periods.iter().map(|it| meaning.range(*it).to).max();
    let stands = match geography {
        Geography::AsOf(date) => date,
        Geography::AsReported => ends.unwrap_or_else(Day::today),
    };
    let is_shared = |it| caller.sees_unit_ever(it);
    let unit_id = names.forest.resolve_shared(&unit, stands, "unit", is_shared)?.id;
    let needed: BTreeSet<Period> =
        periods.iter().flat_map(|it| roll_up::periods_needed(meaning, *it)).collect();
    must_break_down(&[Arc::clone(definition)], &breakdown, ends.unwrap_or(stands))?;
    let readings = readings(hub, &view, definition, &needed, &breakdown).await?;
    let mut own = own_rows(hub, &view, definition, unit_id, &periods, &breakdown).await?;
    own.retain(|period, _| caller.sees_unit(unit_id, meaning.range(*period).to));
    let (forest, asked) = (Arc::clone(&names.forest), Arc::clone(definition));
    let is_shared = shared_with(caller);
    let mut weighed = Vec::with_capacity(periods.len());
    for period in periods {
        weighed.push((period, weights(hub, caller, &view, &names, definition, period).await?));
    }
    let sums = hub.turns.compute(caller.system_id, caller.deadline, move |pace| {
        let (forest, meaning) = (&*forest, &asked.meaning);
        let shared: IsShared<'_> = &is_shared;
        let sum = |(period, weights): &(Period, Option<Weights>)| {
            let (period, weights) = (*period, weights.as_ref());
            let region = Region { forest, meaning, unit_id, geography, shared, weights };
            match of {
                RollUpOf::Below => {
                    let closings = Closings::of(forest, meaning, period, geography);
                    roll_up::roll_up(&region, period, &closings, &readings)
                }
                RollUpOf::Itself => roll_up::itself(&region, period, &readings),
            }
        };
        let paced = |it: &(Period, Option<Weights>)| {
            pace.go_on()?;
            Ok((it.0, sum(it)?))
        };
        weighed.iter().map(paced).collect::<Result<Vec<_>>>()
    });
    let mut figures = Vec::new();
    for (period, sum) in sums.await? {
        let reported = own.get(&period).map(|it| ObservationView {
            parts: it.parts(),
            ..names.observed(definition, it.row.clone())
        });
        let definition = labelled(&names, definition, &sum);
        figures.push(RolledUp { period, definition, sum, reported });
    }
    Ok(Computed {
        revision: view.revision,
        definition: Arc::clone(definition),
        answer: (names.forest.name(unit_id), figures),
        forest: names.forest,
    })
}

/// The version of the definition that the values in a sum were published under.
fn labelled(names: &Names, definition: &Arc<Definition>, sum: &Sum) -> Arc<Definition> {
    let version = sum.reading.as_ref().map(|it| it.definition_version);
    version.map_or_else(|| Arc::clone(definition), |it| names.definitions.version(definition, it))
}

/// Whether the caller could read a unit's values one by one: no other is in what is computed for it.
fn shared_with(caller: &Caller) -> impl Fn(i64, Day) -> bool + Sync + Send + use<> {
    let caller = caller.clone();
    move |unit_id, day| caller.sees_unit(unit_id, day)
}

/// Units by their values.
pub async fn rank(hub: &Hub, caller: &Caller, asked: Rank) -> Result<Computed<Ranked>> {
    let Rank { indicator, period, below, level, rolled_up, breakdown, consistency } = asked;
    let view = hub.revisions.view(caller, consistency).await?;
    let definitions = hub.reference::<Definitions>(&view).await?;
    let definition = definitions.visible(caller, &indicator).map_err(|it| it.at("indicator"))?;
    let names = Names::open(hub, &view).await?;
    let meaning = &definition.meaning;
    let period = meaning.canonical(period);
    let day = meaning.range(period).to;
    must_break_down(&[Arc::clone(definition)], &breakdown, day)?;
    let below = match below {
        None => None,
        Some(named) => {
            let is_shared = |it| caller.sees_unit_ever(it);
            let above = names.forest.resolve_shared(&named, day, "below", is_shared)?.id;
            Some(names.forest.descendants(above, meaning.tree, day))
        }
    };
    let units: Vec<i64> = names
        .forest
        .all()
        .filter(|it| it.level == level && it.span.contains(day))
        .filter(|it| caller.sees_unit(it.id, day))
        .filter(|it| below.as_ref().is_none_or(|below| below.contains(&it.id)))
        .map(|it| it.id)
        .collect();
    let needed = if rolled_up { roll_up::periods_needed(meaning, period) } else { vec![period] };
    let mut sums: HashMap<i64, Sum> = HashMap::new();
    let mut own: HashMap<i64, ObservationView> = HashMap::new();
    if rolled_up {
        let readings =
            readings(hub, &view, definition, &needed.into_iter().collect(), &breakdown).await?;
        let (forest, asked) = (Arc::clone(&names.forest), Arc::clone(definition));
        let (ids, is_shared) = (units.clone(), shared_with(caller));
        let weighed = weights(hub, caller, &view, &names, definition, period).await?;
        let summed = hub.turns.compute(caller.system_id, caller.deadline, move |pace| {
            let (forest, meaning, geography) = (&*forest, &asked.meaning, Geography::AsReported);
            let (shared, weights): (IsShared<'_>, _) = (&is_shared, weighed.as_ref());
            let closings = Closings::of(forest, meaning, period, geography);
            let sum = |unit_id: i64| {
                pace.go_on()?;
                let region = Region { forest, meaning, unit_id, geography, shared, weights };
                Ok((unit_id, roll_up::roll_up(&region, period, &closings, &readings)?))
            };
            ids.into_iter().map(sum).collect::<Result<Vec<_>>>()
        });
        sums.extend(summed.await?);
    } else {
        for chunk in units.chunks(5_000) {
            let mut rows = observations(&[Arc::clone(definition)], view.number())
                .filter(observation::Column::Period.eq(period))
                .filter(observation::Column::UnitId.is_in(chunk.iter().copied()));
            if !has_parts(definition, &breakdown) {
                rows = rows.filter(observation::Column::Breakdown.eq(breakdown.to_string()));
            }
            let rows = rows.all(&hub.db.at(view.position())).await?;
            let rows = resolve_rows(definition, &breakdown, rows).into_iter();
            own.extend(rows.filter(CellRow::is_whole).map(|it| {
                let (unit_id, parts) = (it.row.unit_id, it.parts());
                (unit_id, ObservationView { parts, ..names.observed(definition, it.row) })
            }));
        }
    }
    let value = |id: &i64| -> Option<Fraction> {
        let summed = sums.get(id).and_then(|it| it.exact.clone());
        summed.or_else(|| own.get(id).and_then(ObservationView::exact))
    };
    let values = units.iter().map(|id| (*id, value(id))).collect();
    let (ranked, unranked) = judge::rank(meaning.direction, values)?;
    let versions = |id: &i64| {
        let summed =
            sums.get(id).and_then(|it| it.reading.as_ref()).map(|it| it.definition_version);
        summed.or_else(|| own.get(id).map(|it| it.row.definition_version))
    };
    let versions: BTreeSet<_> = ranked.iter().filter_map(|(_, id)| versions(id)).collect();
    let definition_changed = versions.len() > 1 || sums.values().any(|it| it.definition_changed);
    let mut answer = |(rank, id): (i32, i64)| {
        let sum = sums.remove(&id);
        let definition = match &sum {
            Some(sum) => labelled(&names, definition, sum),
            None => Arc::clone(definition),
        };
        let (unit, reported) = (names.forest.name(id), own.remove(&id));
        RankedUnit { rank, unit, definition, reported, sum }
    };
    let ranked = ranked.into_iter().map(&mut answer).collect();
    let unranked = unranked.into_iter().map(|id| answer((0, id))).collect();
    Ok(Computed {
        revision: view.revision,
        definition: Arc::clone(definition),
        forest: names.forest,
        answer: Ranked { ranked, unranked, definition_changed },
    })
}

/// The columns that a roll-up reads.
#[derive(FromQueryResult)]
struct Lean {
    unit_id: i64,
    period: Period,
    breakdown: String,
    value: Option<Decimal>,
    numerator: Option<Decimal>,
    denominator: Option<Decimal>,
    qualifier: Qualifier,
    status: Status,
    definition_version: i32,
}

pub(super) async fn readings(
    hub: &Hub,
    view: &View,
    definition: &Arc<Definition>,
    periods: &BTreeSet<Period>,
    breakdown: &Breakdown,
) -> Result<Readings> {
    use observation::Column;
    /// Readings in one roll-up, at most: more are asked for period by period.
    const MOST: u64 = 500_000;
    let mut rows = observations(&[Arc::clone(definition)], view.number())
        .select_only()
        .columns([
            Column::UnitId,
            Column::Period,
            Column::Breakdown,
            Column::Value,
            Column::Numerator,
            Column::Denominator,
            Column::Qualifier,
            Column::Status,
            Column::DefinitionVersion,
        ])
        .filter(Column::Period.is_in(periods.iter().copied()));
    if !has_parts(definition, breakdown) {
        rows = rows.filter(Column::Breakdown.eq(breakdown.to_string()));
    }
    let rows = rows.limit(MOST + 1).into_model::<Lean>().all(&hub.db.at(view.position())).await?;
    if u64::try_from(rows.len()).unwrap_or(u64::MAX) > MOST {
        let what = format!("more than {MOST} values would be added up; ask for fewer periods");
        return Err(Error::new(crate::error::Reason::AnswerTooLarge, what));
    }
    let reading = |it: Lean| {
        let Lean {
            unit_id,
            period,
            breakdown,
            value,
            numerator,
            denominator,
            qualifier,
            status,
            definition_version,
        } = it;
        let reading =
            Reading { value, numerator, denominator, qualifier, status, definition_version };
        ((period, unit_id), (breakdown, reading))
    };
    let rows = rows.into_iter().map(reading);
    if !has_parts(definition, breakdown) {
        return Ok(rows.map(|(key, (_, reading))| (key, reading.into())).collect());
    }
    let mut cells: HashMap<(Period, i64), Vec<(Breakdown, Reading)>> = HashMap::new();
    for (key, (breakdown, reading)) in rows {
        cells.entry(key).or_default().push((Breakdown::from_text(&breakdown), reading));
    }
    let meaning = &definition.meaning;
    let made = |((period, unit_id), rows): ((Period, i64), Vec<(Breakdown, Reading)>)| {
        let reported = rows.iter().map(|(key, it)| (key, it)).collect();
        match resolve(meaning, meaning.range(period).to, breakdown, &reported) {
            Resolved::Reported { inconsistent: _ } => {
                let own = rows.into_iter().find(|(key, _)| key == breakdown)?;
                Some(((period, unit_id), own.1.into()))
            }
            Resolved::Computed { reading, parts: _, inconsistent: _ } => {
                Some(((period, unit_id), reading.into()))
            }
            Resolved::Partial { lacking: _ } => Some(((period, unit_id), Said::Partial)),
            Resolved::Nothing => None,
        }
    };
    Ok(cells.into_iter().filter_map(made).collect())
}

async fn own_rows(
    hub: &Hub,
    view: &View,
    definition: &Arc<Definition>,
    unit_id: i64,
    periods: &[Period],
    breakdown: &Breakdown,
) -> Result<HashMap<Period, CellRow>> {
    use observation::Column;
    let rows = observations(&[Arc::clone(definition)], view.number())
        .filter(Column::UnitId.eq(unit_id))
        .filter(Column::Period.is_in(periods.iter().copied()))
        .all(&hub.db.at(view.position()))
        .await?;
    let rows = resolve_rows(definition, breakdown, rows).into_iter();
    Ok(rows.filter(CellRow::is_whole).map(|it| (it.row.period, it)).collect())
}
