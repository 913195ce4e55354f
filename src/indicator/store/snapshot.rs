//! The dashboard's question: latest value, previous, target, attainment and freshness of units x indicators.
use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, FromQueryResult, QueryFilter, QueryOrder, QueryTrait,
    Select,
    sea_query::{
        Alias, Asterisk, Expr, ExprTrait, Order, OverStatement, Query as Sql, SelectStatement,
        WindowStatement,
    },
};

use super::{
    observations,
    read::{Aimed, Books, Observed, must_fit},
    targets,
};
use crate::{
    access::Caller,
    db::Db,
    decimal::Decimal,
    error::Result,
    hub::Hub,
    indicator::{
        Definition, TimeRule,
        ask::Snapshot,
        judge::{self, Attainment, Freshness},
        row::{observation, target},
    },
    period::{Period, PeriodKind},
    revision::{Revision, View},
    time::{Day, Span},
    unit::Name,
};

/// One unit and one indicator of a snapshot.
#[derive(Debug)]
pub struct Cell {
    /// The definition.
    pub definition: Arc<Definition>,
    /// The unit.
    pub unit: Name,
    /// The latest observation.
    pub latest: Option<Observed>,
    /// The latest of an earlier period of the same kind.
    pub previous: Option<Observed>,
    /// Latest minus previous.
    pub change: Option<Decimal>,
    /// Whether they were published under different versions of the definition.
    pub definition_changed: bool,
    /// The target.
    pub target: Option<Aimed>,
    /// Whether it is met, by the value of which period, and whether that is shorter than the target's.
    pub attainment: Option<(Attainment, Option<Period>, bool)>,
    /// How fresh the latest observation is.
    pub freshness: Freshness,
}

/// The latest values of units x indicators.
pub async fn snapshot(
    hub: &Hub,
    caller: &Caller,
    snapshot: Snapshot,
) -> Result<(Revision, Day, Vec<Cell>)> {
    let Snapshot { units, indicators, period, date, consistency } = snapshot;
    must_fit(units.len().saturating_mul(indicators.len()))?;
    let view = hub.revisions.view(caller, consistency).await?;
    let definitions = hub.definitions(&view).await?.visible_all(caller, &indicators)?;
    let books = Books::open(hub, &view).await?;
    // A period's last day depends on the calendar; among the calendars it differs by half a month at most, which no code does.
    let spoken_of = match (period, definitions.first()) {
        (Some(period), Some(first)) => first.meaning.range(period).to,
        (_, _) => date,
    };
    let units = books.units(&units, spoken_of)?;
    let latest = latest_rows(&hub.db, &definitions, &units, period, date, &view).await?;
    // How fresh a cell is, its newest period says, whichever is shown.
    let newest = match period {
        Some(_) => latest_rows(&hub.db, &definitions, &units, None, date, &view).await?,
        None => HashMap::new(),
    };
    let aims = target_rows(&hub.db, &definitions, &units, &view).await?;
    let mut cells = Vec::with_capacity(units.len().saturating_mul(definitions.len()));
    for unit_id in &units {
        for definition in &definitions {
            let key = (definition.id, *unit_id);
            // Not taken out: a unit or an indicator may be asked for twice.
            let rows = latest.get(&key).cloned().unwrap_or_default();
            let aims = aims.get(&key).cloned().unwrap_or_default();
            let newest = newest.get(&key).and_then(|it| it.first()).map(|it| it.period);
            cells.push(cell(&books, definition, *unit_id, rows, aims, (period, newest), date));
        }
    }
    let by = period.is_none().then_some(date);
    judge_all(hub, &view, &books, &definitions, &mut cells, by).await?;
    Ok((view.revision, date, cells))
}

type ByCell<T> = HashMap<(i64, i64), Vec<T>>;

/// Rows kept for one cell and kind of period: the latest, and the one before it.
const RECENT: u64 = 2;

/// The newest observations of each cell, newest first; of periods that began by `date`, or of one period only.
async fn latest_rows(
    db: &Db,
    definitions: &[Arc<Definition>],
    units: &[i64],
    period: Option<Period>,
    date: Day,
    view: &View,
) -> Result<ByCell<observation::Model>> {
    use observation::Column;
    let mut rows = observations(definitions, view.number())
        .filter(Column::UnitId.is_in(units.iter().copied()))
        .filter(Column::Breakdown.eq(""));
    rows = match period {
        // The period asked for, and what came before it.
        Some(period) => {
            let ends = definitions.iter().map(|it| it.meaning.range(period).to).max();
            rows.filter(Column::PeriodEnd.lte(ends.unwrap_or(date)))
        }
        None => rows.filter(Column::PeriodStart.lte(date)),
    };
    let rows = newest(rows, RECENT);
    let db = db.at(view);
    let rows = db.get_database_backend().build(&rows);
    let rows = observation::Model::find_by_statement(rows);
    let mut by_cell: ByCell<observation::Model> = HashMap::new();
    for row in rows.all(&db).await? {
        by_cell.entry((row.indicator_id, row.unit_id)).or_default().push(row);
    }
    for rows in by_cell.values_mut() {
        // Of periods that end together the longest counts: a year's value before its last quarter's.
        rows.sort_by_key(|it| (std::cmp::Reverse(it.period_end), it.period_start));
    }
    Ok(by_cell)
}

/// Of each indicator, unit and kind of period, the rows with the latest periods: numbered inside the database, so that a
/// long history does not travel. Kinds are told apart by the shape of the code; months make two groups, before October and
/// from then on, which does no harm.
fn newest(rows: Select<observation::Entity>, count: u64) -> SelectStatement {
    use observation::Column;
    let mut inner = rows.into_query();
    let window = WindowStatement::partition_by(Column::IndicatorId)
        .partition_by_columns([Column::UnitId])
        .partition_by_customs(["length(period)", "substr(period, 5, 2)"])
        .order_by(Column::PeriodEnd, Order::Desc)
        .order_by(Column::PeriodStart, Order::Asc)
        .take();
    inner.expr_window_as(Expr::cust("ROW_NUMBER()"), window, Alias::new("place"));
    let place = Expr::col(Alias::new("place")).lte(count);
    Sql::select().column(Asterisk).from_subquery(inner, "ranked").and_where(place).take()
}

async fn target_rows(
    db: &Db,
    definitions: &[Arc<Definition>],
    units: &[i64],
    view: &View,
) -> Result<ByCell<target::Model>> {
    let rows = targets(definitions, view.number())
        .filter(target::Column::UnitId.is_in(units.iter().copied()))
        .order_by_asc(target::Column::PeriodEnd)
        .all(&db.at(view))
        .await?;
    let mut by_cell: ByCell<target::Model> = HashMap::new();
    for row in rows {
        by_cell.entry((row.indicator_id, row.unit_id)).or_default().push(row);
    }
    Ok(by_cell)
}

fn cell(
    books: &Books,
    definition: &Arc<Definition>,
    unit_id: i64,
    rows: Vec<observation::Model>,
    aims: Vec<target::Model>,
    (period, newest): (Option<Period>, Option<Period>),
    date: Day,
) -> Cell {
    let mut rows = rows.into_iter();
    let latest = match period {
        Some(period) => rows.find(|it| it.period == period),
        None => rows.next(),
    };
    let previous = latest.as_ref().and_then(|latest| {
        let earlier = |it: &observation::Model| it.period_end < latest.period_end;
        rows.find(|it| earlier(it) && it.period.kind() == latest.period.kind())
    });
    let observed = |it| books.observed(definition, it);
    let (latest, previous) = (latest.map(observed), previous.map(observed));
    let values = latest.as_ref().and_then(Observed::value);
    let change = values
        .zip(previous.as_ref().and_then(Observed::value))
        .map(|(latest, previous)| Decimal::sub(&latest, &previous));
    let definition_changed = latest
        .as_ref()
        .zip(previous.as_ref())
        .is_some_and(|(a, b)| a.row.definition_version != b.row.definition_version);
    let shown = period.or(latest.as_ref().map(|it| it.row.period));
    let target = pick(aims, shown, date).map(|it| books.aimed(definition, it));
    let span = books.forest.get(unit_id).map(|it| it.span);
    let span = span.unwrap_or(Span { from: Day::FIRST, to: Day::LAST });
    let reported = newest.or(latest.as_ref().map(|it| it.row.period));
    let freshness = judge::freshness(&definition.meaning, span, reported, date);
    let unit = books.forest.name(unit_id);
    Cell {
        definition: Arc::clone(definition),
        unit,
        latest,
        previous,
        change,
        definition_changed,
        target,
        attainment: None,
        freshness,
    }
}

/// The target of the period shown, else the next one that is to come, else the last one.
fn pick(aims: Vec<target::Model>, shown: Option<Period>, date: Day) -> Option<target::Model> {
    let own = aims.iter().position(|it| Some(it.period) == shown);
    let next = || aims.iter().position(|it| it.period_end >= date);
    let place = own.or_else(next).or(aims.len().checked_sub(1))?;
    aims.into_iter().nth(place)
}

/// Judges each target by the value of its own period, or else by one inside it that speaks for it so far; only by periods
/// that began by a day, where there is one.
async fn judge_all(
    hub: &Hub,
    view: &View,
    books: &Books,
    definitions: &[Arc<Definition>],
    cells: &mut [Cell],
    by: Option<Day>,
) -> Result<()> {
    use observation::Column;
    let aimed = || cells.iter().filter_map(|it| it.target.as_ref());
    let units: BTreeSet<_> = aimed().map(|it| it.row.unit_id).collect();
    let starts = aimed().map(|it| it.row.period_start).min();
    let ends = aimed().map(|it| it.row.period_end).max();
    let (Some(starts), Some(ends)) = (starts, ends) else { return Ok(()) };
    let own: BTreeSet<_> = aimed().map(|it| it.row.period).collect();
    let last = definitions.iter().filter(|it| it.meaning.time_rule == TimeRule::Last);
    // Only what can be judged by, of a history that may be long.
    let speaks = Condition::any()
        .add(Column::Period.is_in(own))
        .add(Column::Period.contains("-YTD-"))
        .add(Column::IndicatorId.is_in(last.map(|it| it.id)));
    let rows = observations(definitions, view.number())
        .filter(speaks)
        .filter(Column::UnitId.is_in(units))
        .filter(Column::Breakdown.eq(""))
        .filter(Column::PeriodStart.gte(starts))
        .filter(Column::PeriodEnd.lte(ends))
        .filter(Column::PeriodStart.lte(by.unwrap_or(ends)))
        .order_by_desc(Column::PeriodEnd)
        .all(&hub.db.at(view))
        .await?;
    let mut by_cell: ByCell<observation::Model> = HashMap::new();
    for row in rows {
        by_cell.entry((row.indicator_id, row.unit_id)).or_default().push(row);
    }
    for cell in cells {
        let Some(Aimed { row: target, .. }) = &cell.target else { continue };
        let key = (target.indicator_id, target.unit_id);
        let rows = by_cell.get(&key).map_or(&[] as &[_], Vec::as_slice);
        let meaning = &cell.definition.meaning;
        let own = rows.iter().find(|it| it.period == target.period);
        let so_far = || {
            rows.iter().find(|it| {
                it.period_start >= target.period_start
                    && it.period_end <= target.period_end
                    && (it.period.kind() == PeriodKind::ToDate
                        || meaning.time_rule == TimeRule::Last)
            })
        };
        let judged = own.or_else(so_far);
        let value = judged.and_then(|it| books.observed(&cell.definition, it.clone()).value());
        let seen = value.as_ref().zip(judged.map(|it| it.qualifier));
        let attainment = judge::attain(target.comparison, target.value.as_ref(), seen);
        let period = judged.filter(|_| value.is_some()).map(|it| it.period);
        let to_date = period.is_some_and(|it| it != target.period);
        cell.attainment = Some((attainment, period, to_date));
    }
    Ok(())
}
