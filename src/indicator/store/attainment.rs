//! Judges the targets of a snapshot: by the value of their own period, by the unit's own parts of it, or so far.
use std::{
    cmp::Reverse,
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use sea_orm::{ColumnTrait, Condition, QueryFilter};

use super::{
    latest::{ByCell, Patches},
    observations,
    parts::{CellRow, has_parts, resolve_rows},
    read::{Names, TargetView},
    snapshot::Cell,
};
use crate::{
    error::Result,
    fraction::Fraction,
    hub::Hub,
    indicator::{
        Breakdown, Definition, Geography, Meaning, Qualifier, TimeRule,
        judge::{self, Attainment},
        roll_up::{LeftOutReason, Readings, Region, itself},
        row::{observation, target},
    },
    period::{Period, PeriodKind},
    revision::View,
    time::Day,
};

/// How a target is attained, and by what.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The judgement.
    pub attainment: Attainment,
    /// The period of the value that was judged.
    pub period: Option<Period>,
    /// Whether it says something of a part of the target's period only.
    pub to_date: bool,
    /// Whether value and target were published under different versions of the definition.
    pub definition_changed: bool,
}

/// A value that a target is judged by.
struct Witness {
    value: Fraction,
    qualifier: Qualifier,
    period: Period,
    to_date: bool,
    /// The last day that it says something of.
    through: Day,
    definition_version: i32,
    definition_changed: bool,
}

/// Judges each target by the value of its own period: as it was reported, or from the unit's own parts of it. Where
/// there is neither, by what speaks for it so far. Only by periods that began by a day, where there is one.
pub(super) async fn judge_all(
    hub: &Hub,
    view: &View,
    names: &Names,
    patches: &Patches,
    cells: &mut [Cell],
    breakdown: &Breakdown,
    by: Option<Day>,
) -> Result<()> {
    use observation::Column;
    let aimed = || cells.iter().filter_map(|it| it.target.as_ref());
    let starts = aimed().map(|it| it.row.period_start).min();
    let ends = aimed().map(|it| it.row.period_end).max();
    let (Some(starts), Some(ends)) = (starts, ends) else { return Ok(()) };
    let own: BTreeSet<_> = aimed().map(|it| it.row.period).collect();
    let definitions = patches.definitions();
    // Of these every row inside may be a part of what is judged.
    let made_of_parts: BTreeSet<i64> = cells
        .iter()
        .filter(|it| match it.definition.meaning.time_rule {
            TimeRule::Last => true,
            TimeRule::Sum | TimeRule::Ratio | TimeRule::Mean => is_longer(it),
            TimeRule::None => false,
        })
        .map(|it| it.definition.id)
        .collect();
    // Of these a total may be made of other breakdowns than the one asked for.
    let broken_down: BTreeSet<i64> = cells
        .iter()
        .filter(|it| has_parts(&it.definition, breakdown))
        .map(|it| it.definition.id)
        .collect();
    let asked_for = Condition::any()
        .add(Column::Breakdown.eq(breakdown.to_string()))
        .add(Column::IndicatorId.is_in(broken_down));
    // Only what can be judged by, of a history that may be long.
    let speaks = Condition::any()
        .add(Column::Period.is_in(own))
        .add(Column::Period.contains("-YTD-"))
        .add(Column::IndicatorId.is_in(made_of_parts));
    let rows = observations(&definitions, view.number())
        .filter(speaks)
        .filter(patches.hold(&hub.db, [Column::IndicatorId, Column::UnitId, Column::PeriodEnd])?)
        .filter(asked_for)
        .filter(Column::PeriodStart.gte(starts))
        .filter(Column::PeriodEnd.lte(ends))
        .filter(Column::PeriodStart.lte(by.unwrap_or(ends)))
        .all(&hub.db.at(view.position()))
        .await?;
    let mut by_cell: ByCell<observation::Model> = HashMap::new();
    for row in rows {
        by_cell.entry((row.indicator_id, row.unit_id)).or_default().push(row);
    }
    for cell in cells {
        let Some(TargetView { row: target, .. }) = &cell.target else { continue };
        // Not taken out: a unit or an indicator may be asked for twice.
        let rows = by_cell.get(&(target.indicator_id, target.unit_id)).cloned().unwrap_or_default();
        let rows = resolve_rows(&cell.definition, breakdown, rows).into_iter();
        let mut rows: Vec<_> = rows.filter(CellRow::is_whole).map(|it| it.row).collect();
        rows.sort_by_key(|it| Reverse(it.period_end));
        cell.attainment = Some(judged(names, &cell.definition, target, &rows));
    }
    Ok(())
}

/// Whether the target of a cell is of a longer period than its values.
fn is_longer(cell: &Cell) -> bool {
    let frequency = cell.definition.meaning.frequency.kind();
    cell.target.as_ref().is_some_and(|it| it.row.period.kind() != frequency)
}

/// Judges a target by a unit's rows, newest first.
fn judged(
    names: &Names,
    definition: &Arc<Definition>,
    target: &target::Model,
    rows: &[observation::Model],
) -> Judged {
    let witness = |row: &observation::Model| {
        let exact = names.observed(definition, row.clone()).exact()?;
        Some(Witness {
            value: exact,
            qualifier: row.qualifier,
            period: row.period,
            to_date: row.period_start != target.period_start || row.period_end != target.period_end,
            through: row.period_end,
            definition_version: row.definition_version,
            definition_changed: false,
        })
    };
    let meaning = &definition.meaning;
    let inside = |it: &&observation::Model| {
        it.period_start >= target.period_start && it.period_end <= target.period_end
    };
    let is_own = |it: &&observation::Model| {
        it.period_start == target.period_start && it.period_end == target.period_end
    };
    let own = rows.iter().filter(is_own).find_map(witness);
    let so_far = || {
        let speaks = |it: &&observation::Model| {
            it.period.kind() == PeriodKind::ToDate || meaning.time_rule == TimeRule::Last
        };
        rows.iter().filter(inside).filter(speaks).find_map(witness)
    };
    let made = || from_parts(names, meaning, target, rows);
    let seen = own.or_else(|| match (made(), so_far()) {
        (Some(made), Some(so_far)) if made.to_date && so_far.through >= made.through => {
            Some(so_far)
        }
        (Some(made), _) => Some(made),
        (None, so_far) => so_far,
    });
    let so_far = seen.as_ref().filter(|it| it.to_date && meaning.time_rule == TimeRule::Sum);
    let qualifier = so_far.map(|it| still_growing(&it.value, it.qualifier));
    let judged = seen.as_ref().map(|it| (&it.value, qualifier.unwrap_or(it.qualifier)));
    let mut attainment = judge::attain(target.comparison, target.value.as_ref(), judged);
    let definition_changed = seen.as_ref().is_some_and(|it| {
        it.definition_changed || it.definition_version != target.definition_version
    });
    if definition_changed {
        // A difference between numbers that may mean different things is none.
        attainment.gap = None;
    }
    Judged {
        attainment,
        period: seen.as_ref().map(|it| it.period),
        to_date: seen.as_ref().is_some_and(|it| it.to_date),
        definition_changed,
    }
}

/// The value of a target's period from the unit's own parts, as far as they are there.
fn from_parts(
    names: &Names,
    meaning: &Meaning,
    target: &target::Model,
    rows: &[observation::Model],
) -> Option<Witness> {
    let (forest, unit_id) = (&names.forest, target.unit_id);
    let said = rows.iter().map(|it| ((it.period, unit_id), it.reading().into()));
    let readings: Readings = said.collect();
    let region = Region {
        forest,
        meaning,
        unit_id,
        geography: Geography::AsReported,
        shared: &|_, _| true,
        weights: None,
    };
    let sum = itself(&region, target.period, &readings).ok()?;
    let (value, reading) = sum.exact.zip(sum.reading)?;
    // A part in which the unit did not stand is not missing.
    let mut left_out = sum.coverage.left_out.iter();
    let to_date = left_out.any(|it| it.reason != LeftOutReason::UnitNotValid);
    let missing: BTreeSet<_> = sum.coverage.left_out.iter().filter_map(|it| it.period).collect();
    let kind = meaning.frequency.kind();
    let used = rows.iter().filter(|it| it.period.kind() == kind && !missing.contains(&it.period));
    let negative = used.clone().any(|it| it.value.as_ref().is_some_and(|it| it.is_negative()));
    let last = used
        .filter(|it| it.period_end <= target.period_end && it.period_start >= target.period_start)
        .max_by_key(|it| it.period_end);
    let qualifier = match to_date && negative && meaning.time_rule == TimeRule::Sum {
        true => Qualifier::About,
        false => reading.qualifier,
    };
    Some(Witness {
        value,
        qualifier,
        period: last.filter(|_| to_date).map_or(target.period, |it| it.period),
        to_date,
        through: last.map_or(target.period_end, |it| it.period_end),
        definition_version: reading.definition_version,
        definition_changed: sum.definition_changed,
    })
}

/// How well a sum is known to which more is to come: it will not be less, unless what is added may be below 0.
fn still_growing(value: &Fraction, qualifier: Qualifier) -> Qualifier {
    match qualifier {
        _ if value.is_negative() => Qualifier::About,
        Qualifier::MoreThan => Qualifier::MoreThan,
        Qualifier::Exact | Qualifier::AtLeast => Qualifier::AtLeast,
        Qualifier::LessThan | Qualifier::AtMost | Qualifier::About => Qualifier::About,
    }
}
