//! Compares the figure of a cell with the one before it, and with that of the same period a year before.
use std::collections::{BTreeSet, HashMap};

use sea_orm::{ColumnTrait, QueryFilter};

use super::{
    latest::Patches,
    observations,
    parts::{CellRow, has_parts, resolve_rows},
    read::{Names, ObservationView},
    snapshot::Cell,
};
use crate::{
    decimal::Decimal,
    error::Result,
    hub::Hub,
    indicator::{cells::Question, row::observation},
    revision::View,
};

/// How a figure differs from an earlier one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FigureChange {
    /// The later one minus the earlier one; none where one of them has no value, and across versions.
    pub change: Option<Decimal>,
    /// The change in per cent of the earlier one; none where that is 0.
    pub percent: Option<Decimal>,
    /// Whether they were published under different versions of the definition.
    pub definition_changed: bool,
}

impl FigureChange {
    /// How two figures differ.
    pub(in crate::indicator) fn between(
        later: &ObservationView,
        earlier: &ObservationView,
    ) -> Self {
        let definition_changed = later.row.definition_version != earlier.row.definition_version;
        let values = later.value().zip(earlier.value()).filter(|_| !definition_changed);
        let Some((later, earlier)) = values else {
            return Self { change: None, percent: None, definition_changed };
        };
        let change = later.sub(&earlier);
        let size = if earlier.is_negative() { Decimal::zero().sub(&earlier) } else { earlier };
        let percent = change.mul(&Decimal::from_int(100)).div(&size);
        Self { change: Some(change), percent, definition_changed }
    }
}

/// Finds for each cell the figure of the same period a year before.
pub(super) async fn years_before(
    hub: &Hub,
    view: &View,
    names: &Names,
    patches: &Patches,
    question: &Question,
    cells: &mut [Cell],
) -> Result<()> {
    use observation::Column;
    let before = |cell: &Cell| cell.latest.as_ref().and_then(|it| it.row.period.year_before());
    let periods: BTreeSet<_> = cells.iter().filter_map(before).collect();
    if periods.is_empty() {
        return Ok(());
    }
    let definitions = patches.definitions();
    let mut rows = observations(&definitions, view.number())
        .filter(patches.hold(&hub.db, [Column::IndicatorId, Column::UnitId, Column::PeriodEnd])?)
        .filter(Column::Period.is_in(periods));
    if !definitions.iter().any(|it| has_parts(it, &question.breakdown)) {
        rows = rows.filter(Column::Breakdown.eq(question.breakdown.to_string()));
    }
    let mut by_indicator: HashMap<i64, Vec<observation::Model>> = HashMap::new();
    for row in rows.all(&hub.db.at(view.position())).await? {
        by_indicator.entry(row.indicator_id).or_default().push(row);
    }
    let mut found = HashMap::new();
    for definition in &definitions {
        let rows = by_indicator.remove(&definition.id).unwrap_or_default();
        let rows = resolve_rows(definition, &question.breakdown, rows).into_iter();
        found.extend(rows.filter(CellRow::is_whole).map(|it| {
            let key = (definition.id, it.row.unit_id, it.row.period);
            let parts = it.parts();
            (key, ObservationView { parts, ..names.observed(definition, it.row) })
        }));
    }
    for cell in cells {
        let Some(latest) = &cell.latest else { continue };
        let Some(period) = latest.row.period.year_before() else { continue };
        cell.year_before = found.get(&(cell.definition.id, latest.row.unit_id, period)).cloned();
    }
    Ok(())
}
