//! Reads what other sources contributed to the cells of a snapshot. It is never kept in memory with them.
use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use sea_orm::{
    ColumnTrait, ConnectionTrait, FromQueryResult, QueryFilter, QueryTrait,
    sea_query::{Alias, Asterisk, Expr, ExprTrait, Order, OverStatement, Query, WindowStatement},
};

use super::{
    contribution::{Contribution, SourcedRow},
    contributions,
    latest::{ByCell, Patches},
    read::{Names, ObservationView},
};
use crate::{
    caller::scope::UnitScope,
    error::Result,
    hub::Hub,
    indicator::{
        cells::{Key, Question},
        row::contribution,
    },
    revision::View,
};

/// Of each cell the newest value that each source contributed, by the codes of the sources: of the period asked for, or
/// else of the frequency.
pub(super) async fn contributed(
    hub: &Hub,
    view: &View,
    question: &Question,
    keys: &[Key],
    scope: Option<&Arc<UnitScope>>,
) -> Result<ByCell<ObservationView>> {
    use contribution::Column;
    let Question { period, date, breakdown } = question;
    let names = Names::open(hub, view).await?;
    let patches = Patches::of(&names, keys, scope)?;
    let rows = contributions(&patches.definitions(), view.number())
        .filter(patches.hold(&hub.db, [Column::IndicatorId, Column::UnitId, Column::PeriodEnd])?)
        .filter(Column::Breakdown.eq(breakdown.to_string()));
    let rows = match period {
        Some(period) => rows.filter(Column::Period.is_in(period.same_days())),
        None => rows.filter(Column::PeriodStart.lte(*date)),
    };
    // Of each kind of period the last one, numbered inside the database as the newest observations are.
    let mut inner = rows.into_query();
    let window = WindowStatement::partition_by(Column::IndicatorId)
        .partition_by_columns([Column::UnitId, Column::SourceId])
        .partition_by_customs(["length(period)", "substr(period, 5, 2)"])
        .order_by(Column::PeriodEnd, Order::Desc)
        .take();
    inner.expr_window_as(Expr::cust("DENSE_RANK()"), window, Alias::new("place"));
    let last = Expr::col(Alias::new("place")).lte(1);
    let rows =
        Query::select().column(Asterisk).from_subquery(inner, "ranked").and_where(last).take();
    let db = hub.db.at(view.position());
    let rows = Contribution::find_by_statement(db.get_database_backend().build(&rows));
    let mut by_source: HashMap<Key, BTreeMap<String, ObservationView>> = HashMap::new();
    let mut found: Vec<_> = rows.all(&db).await?;
    found.sort_by_key(|Contribution(row)| Reverse(row.period_end));
    for Contribution(row) in found {
        let Some(definition) = patches.definition(row.indicator_id) else { continue };
        if period.is_none() && row.period.kind() != definition.meaning.frequency.kind() {
            continue;
        }
        let cell = by_source.entry((row.indicator_id, row.unit_id)).or_default();
        let shown = names.sourced(definition, SourcedRow { row, contributed: true });
        cell.entry(shown.source.clone()).or_insert(shown);
    }
    Ok(by_source.into_iter().map(|(key, it)| (key, it.into_values().collect())).collect())
}
