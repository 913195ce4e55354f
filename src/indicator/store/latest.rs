//! Reads the newest rows of each cell of a snapshot, along the primary key and not through its history.
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, FromQueryResult, QueryFilter, QueryOrder, QueryTrait,
    Select,
    sea_query::{
        Alias, Asterisk, Expr, ExprTrait, Func, IntoColumnRef, Order, OverStatement, Query as Sql,
        SelectStatement, WindowStatement,
    },
};

use super::{
    every_standing, observations,
    parts::{CellRow, has_parts, resolve_rows},
    read::Names,
    targets,
};
use crate::{
    caller::scope::UnitScope,
    db::Db,
    error::{Error, Result},
    hub::store::inside::inside,
    indicator::{
        Breakdown, Definition, Meaning,
        cells::{Key, Question},
        row::{observation, target},
    },
    period::Period,
    revision::View,
    time::Day,
};

/// Cells as the store is asked for them: indicators that are wanted of the same units stand together.
pub(super) struct Patches {
    definitions: BTreeMap<i64, Arc<Definition>>,
    all: Vec<(Vec<i64>, Vec<i64>)>,
    /// What of the units is shared, where that is not all of every one.
    scope: Option<Arc<UnitScope>>,
}

impl Patches {
    pub(super) fn of(names: &Names, keys: &[Key], scope: Option<&Arc<UnitScope>>) -> Result<Self> {
        let mut units: BTreeMap<i64, BTreeSet<i64>> = BTreeMap::new();
        for (indicator, unit) in keys {
            units.entry(*indicator).or_default().insert(*unit);
        }
        let mut definitions = BTreeMap::new();
        let mut all: BTreeMap<Vec<i64>, Vec<i64>> = BTreeMap::new();
        for (indicator, units) in units {
            let definition = names.definitions.by_id(indicator);
            let definition = definition.ok_or_else(|| Error::internal("an indicator is gone"))?;
            definitions.insert(indicator, Arc::clone(definition));
            all.entry(units.into_iter().collect()).or_default().push(indicator);
        }
        let all = all.into_iter().map(|(units, indicators)| (indicators, units)).collect();
        Ok(Self { definitions, all, scope: scope.map(Arc::clone) })
    }

    pub(super) fn definition(&self, indicator: i64) -> Option<&Arc<Definition>> {
        self.definitions.get(&indicator)
    }

    pub(super) fn definitions(&self) -> Vec<Arc<Definition>> {
        self.definitions.values().map(Arc::clone).collect()
    }

    pub(super) fn cells(&self) -> impl Iterator<Item = Key> {
        self.all.iter().flat_map(|(indicators, units)| {
            indicators.iter().flat_map(|it| units.iter().map(|unit| (*it, *unit)))
        })
    }

    /// Whether a row is of one of the cells, and shared.
    pub(super) fn hold<T: ColumnTrait>(
        &self,
        db: &Db,
        [indicator, unit, ends]: [T; 3],
    ) -> Result<Condition> {
        let mut any = Condition::any();
        for (indicators, units) in &self.all {
            let indicators = indicator.is_in(indicators.iter().copied());
            any = any.add(indicators.and(unit.is_in(units.iter().copied())));
        }
        let column = |it: T| move || Expr::col(it.as_column_ref());
        let shared = self
            .scope
            .as_deref()
            .map(|it| inside(db.read().get_database_backend(), it, column(unit), column(ends)));
        Ok(Condition::all().add(any).add_option(shared.transpose()?))
    }

    /// Some of the cells.
    fn only(&self, names: &Names, keys: &[Key]) -> Result<Self> {
        Self::of(names, keys, self.scope.as_ref())
    }
}

pub(super) type ByCell<T> = HashMap<(i64, i64), Vec<T>>;

/// Rows kept for one cell and kind of period: the latest, and the one before it.
const RECENT: u64 = 2;

/// Newest rows of a cell that are read first. They hold the latest and the one before it, unless kinds of periods
/// mingle.
const FIRST: u64 = 4;

/// The newest figures of each cell, newest first; of periods that began by the question's date, or up to its period.
/// What a cell costs does not grow with its history: all of that is looked through only for cells whose newest rows do
/// not tell, and for those that may be made of parts.
pub(super) async fn latest_rows(
    db: &Db,
    names: &Names,
    patches: &Patches,
    question: &Question,
    view: &View,
) -> Result<ByCell<CellRow>> {
    use observation::Column;
    let until = Until::of(patches, question.period, question.date);
    let may_have_parts = |(indicator, _): &Key| {
        let of = patches.definition(*indicator);
        // Of what is shared in part, the newest rows by the primary key are not those that are wanted.
        patches.scope.is_some() || of.is_some_and(|it| has_parts(it, &question.breakdown))
    };
    let (of_parts, cells): (Vec<_>, Vec<_>) = patches.cells().partition(may_have_parts);
    let own = question.breakdown.to_string();
    let mut by_cell: ByCell<CellRow> = HashMap::new();
    if !cells.is_empty() {
        by_cell.extend(self::by_cell(db, view, first(&until, &cells, &own, view)).await?);
    }
    let first = usize::try_from(FIRST).unwrap_or(usize::MAX);
    let is_open = |key: &Key, rows: &[CellRow]| {
        let Some(definition) = patches.definition(key.0) else { return false };
        let two = two(&definition.meaning, rows, question.period);
        rows.len() >= first && two.is_none_or(|(_, previous)| previous.is_none())
    };
    let is_open = |it: &Key| by_cell.get(it).is_some_and(|rows| is_open(it, rows));
    let open: Vec<_> = cells.into_iter().filter(is_open).collect();
    if !open.is_empty() {
        let patches = patches.only(names, &open)?;
        let rows = observations(&patches.definitions(), view.number())
            .filter(patches.hold(db, [Column::IndicatorId, Column::UnitId, Column::PeriodEnd])?)
            .filter(Column::Breakdown.eq(own))
            .filter(until.reached(Column::PeriodStart, Column::PeriodEnd));
        by_cell.extend(self::by_cell(db, view, newest(rows, RECENT)).await?);
    }
    if !of_parts.is_empty() {
        let patches = patches.only(names, &of_parts)?;
        by_cell.extend(made_of_parts(db, &patches, question, until, view).await?);
    }
    Ok(by_cell)
}

/// The newest figures of cells that may be made of parts, and the periods of which parts lack.
async fn made_of_parts(
    db: &Db,
    patches: &Patches,
    question: &Question,
    until: Until,
    view: &View,
) -> Result<ByCell<CellRow>> {
    use observation::Column;
    let rows = observations(&patches.definitions(), view.number())
        .filter(patches.hold(db, [Column::IndicatorId, Column::UnitId, Column::PeriodEnd])?)
        .filter(until.reached(Column::PeriodStart, Column::PeriodEnd));
    let db = db.at(view.position());
    let rows = newest(rows, RECENT);
    let rows = observation::Model::find_by_statement(db.get_database_backend().build(&rows));
    let mut by_indicator: HashMap<i64, Vec<observation::Model>> = HashMap::new();
    for row in rows.all(&db).await? {
        by_indicator.entry(row.indicator_id).or_default().push(row);
    }
    let mut by_cell: ByCell<CellRow> = HashMap::new();
    for (indicator, rows) in by_indicator {
        let Some(definition) = patches.definition(indicator) else { continue };
        for row in resolve_rows(definition, &question.breakdown, rows) {
            by_cell.entry((indicator, row.row.unit_id)).or_default().push(row);
        }
    }
    for rows in by_cell.values_mut() {
        in_order(rows);
    }
    Ok(by_cell)
}

/// Newest first. Of periods that end together the longest counts: a year's value before its last quarter's. Hours of
/// one day have the same days.
fn in_order(rows: &mut [CellRow]) {
    rows.sort_by_key(|it| {
        (Reverse(it.row.period_end), it.row.period_start, Reverse(it.row.period))
    });
}

pub(super) async fn by_cell(
    db: &Db,
    view: &View,
    rows: SelectStatement,
) -> Result<ByCell<CellRow>> {
    let db = db.at(view.position());
    let rows = observation::Model::find_by_statement(db.get_database_backend().build(&rows));
    let mut by_cell: ByCell<CellRow> = HashMap::new();
    for row in rows.all(&db).await? {
        by_cell.entry((row.indicator_id, row.unit_id)).or_default().push(CellRow::own(row));
    }
    for rows in by_cell.values_mut() {
        in_order(rows);
    }
    Ok(by_cell)
}

/// Up to which periods is looked.
#[derive(Clone, Copy)]
enum Until {
    /// Those that began by a day.
    Began(Day),
    /// Those that end by a day.
    Ended(Day),
}

impl Until {
    /// The period asked for, and what came before it; else what has begun.
    fn of(patches: &Patches, period: Option<Period>, date: Day) -> Self {
        let Some(period) = period else { return Self::Began(date) };
        let ends = patches.definitions.values().map(|it| it.meaning.range(period).to).max();
        Self::Ended(ends.unwrap_or(date))
    }

    fn reached(self, start: impl IntoColumnRef, end: impl IntoColumnRef) -> Expr {
        match self {
            Self::Began(date) => Expr::col(start).lte(date),
            Self::Ended(date) => Expr::col(end).lte(date),
        }
    }
}

/// The newest rows of each cell, and those that end together with the last of them: cell by cell along the primary key.
fn first(until: &Until, cells: &[Key], breakdown: &str, view: &View) -> SelectStatement {
    use observation::Column::{
        Breakdown, IndicatorId, MadeAt, PeriodEnd, PeriodStart, SupersededAt, UnitId,
    };
    let (cell, row) = (Alias::new("cell"), Alias::new("later"));
    let of_cell = |number: &str| Expr::col((cell.clone(), Alias::new(format!("column{number}"))));
    let column = |it: observation::Column| (row.clone(), it);
    let superseded_at = || Expr::col(column(SupersededAt));
    let stands = superseded_at().is_null().or(superseded_at().gt(view.number()));
    let last = Sql::select()
        .column(column(PeriodEnd))
        .from_as(observation::Entity, row.clone())
        .and_where(Expr::col(column(IndicatorId)).eq(of_cell("1")))
        .and_where(Expr::col(column(UnitId)).eq(of_cell("2")))
        .and_where(Expr::col(column(Breakdown)).eq(breakdown))
        .and_where(Expr::col(column(MadeAt)).lte(view.number()))
        .and_where(stands)
        .and_where(until.reached(column(PeriodStart), column(PeriodEnd)))
        .order_by(column(PeriodEnd), Order::Desc)
        .limit(1)
        .offset(FIRST - 1)
        .take();
    let none = Expr::val(i32::MIN);
    let reaches = Expr::expr(Func::coalesce([Expr::from(last), none]));
    let own = |it: observation::Column| Expr::col((observation::Entity, it));
    let mut rows = every_standing(view.number()).filter(Breakdown.eq(breakdown)).into_query();
    rows.from_values(cells.iter().copied(), cell.clone())
        .and_where(own(IndicatorId).eq(of_cell("1")))
        .and_where(own(UnitId).eq(of_cell("2")))
        .and_where(own(PeriodEnd).gte(reaches))
        .and_where(
            until.reached((observation::Entity, PeriodStart), (observation::Entity, PeriodEnd)),
        );
    rows
}

/// The figure that a cell shows, of the period that is asked for or else of the frequency, and the one of an earlier
/// period of the same kind, among its figures, newest first.
pub(super) fn two<'a>(
    meaning: &Meaning,
    rows: &'a [CellRow],
    period: Option<Period>,
) -> Option<(&'a CellRow, Option<&'a CellRow>)> {
    let kind = meaning.frequency.kind();
    let place = match period.map(|it| meaning.canonical(it)) {
        Some(period) => rows.iter().position(|it| it.is_whole() && it.row.period == period)?,
        None => rows.iter().position(|it| it.is_whole() && it.row.period.kind() == kind)?,
    };
    let latest = rows.get(place)?;
    let earlier = |it: &&CellRow| {
        it.is_whole()
            && it.row.period.kind() == latest.row.period.kind()
            && it.row.period < latest.row.period
    };
    Some((latest, rows.iter().skip(place).find(earlier)))
}

/// The newest figures of other kinds of periods, one of each, that end with the latest or after it.
pub(super) fn beside<'a>(
    meaning: &Meaning,
    rows: &'a [CellRow],
    latest: Option<&CellRow>,
) -> Vec<&'a CellRow> {
    let mut kinds = HashSet::from([meaning.frequency.kind()]);
    kinds.extend(latest.map(|it| it.row.period.kind()));
    let ends = latest.map_or(Day::FIRST, |it| it.row.period_end);
    let is_beside = |it: &&CellRow| {
        it.is_whole() && it.row.period_end >= ends && kinds.insert(it.row.period.kind())
    };
    rows.iter().filter(is_beside).collect()
}

/// Of each indicator, unit and kind of period, the rows with the latest periods: numbered inside the database, so
/// that a long history does not travel. Kinds are told apart by the shape of the code; months make two groups, before
/// October and from then on, which does no harm.
fn newest(rows: Select<observation::Entity>, count: u64) -> SelectStatement {
    use observation::Column;
    let mut inner = rows.into_query();
    // Rows of one period, which are its parts, have one number.
    let window = WindowStatement::partition_by(Column::IndicatorId)
        .partition_by_columns([Column::UnitId])
        .partition_by_customs(["length(period)", "substr(period, 5, 2)"])
        .order_by(Column::PeriodEnd, Order::Desc)
        .order_by(Column::PeriodStart, Order::Asc)
        .take();
    inner.expr_window_as(Expr::cust("DENSE_RANK()"), window, Alias::new("place"));
    let place = Expr::col(Alias::new("place")).lte(count);
    Sql::select().column(Asterisk).from_subquery(inner, "ranked").and_where(place).take()
}

pub(super) async fn target_rows(
    db: &Db,
    patches: &Patches,
    breakdown: &Breakdown,
    view: &View,
) -> Result<ByCell<target::Model>> {
    let rows = targets(&patches.definitions(), view.number())
        .filter(patches.hold(db, {
            use target::Column::{IndicatorId, PeriodEnd, UnitId};
            [IndicatorId, UnitId, PeriodEnd]
        })?)
        .filter(target::Column::Breakdown.eq(breakdown.to_string()))
        .order_by_asc(target::Column::PeriodEnd)
        .all(&db.at(view.position()))
        .await?;
    let mut by_cell: ByCell<target::Model> = HashMap::new();
    for row in rows {
        by_cell.entry((row.indicator_id, row.unit_id)).or_default().push(row);
    }
    Ok(by_cell)
}
