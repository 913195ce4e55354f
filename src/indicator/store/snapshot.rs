//! The dashboard's question: latest value, previous, target, attainment and freshness of units x indicators.
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;

use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, FromQueryResult, QueryFilter, QueryOrder, QueryTrait,
    Select,
    sea_query::{
        Alias, Asterisk, Expr, ExprTrait, Func, IntoColumnRef, Order, OverStatement, Query as Sql,
        SelectStatement, WindowStatement,
    },
};
use tokio::time;

use super::{
    every_standing,
    follow::follow,
    observations,
    read::{Names, ObservationView, TargetView, must_fit},
    targets,
};
use crate::{
    batch::Batcher,
    caller::Caller,
    db::Db,
    decimal::Decimal,
    error::{Error, Result},
    hub::Hub,
    indicator::{
        Code, Definition, TimeRule,
        cells::{Cells, Key, Question},
        judge::{self, Attainment, Freshness},
        queries::Snapshot,
        row::{observation, target},
    },
    period::{Period, PeriodKind},
    revision::{Consistency, Revision, View},
    time::{Day, Span},
    unit::{self, Name},
};

/// One unit and one indicator of a snapshot.
#[derive(Debug)]
pub struct Cell {
    /// The definition.
    pub definition: Arc<Definition>,
    /// The unit.
    pub unit: Name,
    /// The latest observation.
    pub latest: Option<ObservationView>,
    /// The latest of an earlier period of the same kind.
    pub previous: Option<ObservationView>,
    /// Latest minus previous.
    pub change: Option<Decimal>,
    /// Whether they were published under different versions of the definition.
    pub definition_changed: bool,
    /// The target.
    pub target: Option<TargetView>,
    /// Whether it is met, by the value of which period, and whether that is shorter than the target's.
    pub attainment: Option<(Attainment, Option<Period>, bool)>,
    /// How fresh the latest observation is.
    pub freshness: Freshness,
}

/// Cells that one call wants, and what it asks of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CellBatch {
    question: Question,
    keys: Vec<Key>,
}

/// Cells that were read together, as they are answered.
#[derive(Clone, Debug)]
pub struct LoadedCells {
    view: View,
    cells: Arc<HashMap<(Question, Key), Bytes>>,
}

/// Snapshots of the newest revision: kept cells, and calls that read the missing ones together.
#[derive(Debug)]
pub struct Snapshots {
    store: Arc<CellStore>,
    together: Batcher<CellBatch, LoadedCells>,
}

/// Where cells are kept, and how they are made.
#[derive(Debug)]
struct CellStore {
    kept: Arc<Cells>,
    encode: fn(Cell) -> Bytes,
    /// Cells that were read from the store, together with those of other calls.
    read: AtomicU64,
}

/// Calls that share a question, at most.
const TOGETHER: usize = 16;
/// Cells in one question, at most.
const CHUNK: usize = 2_000;
/// How often a call tries to find all of its cells at one revision, while others write.
const TRIES: usize = 3;
/// How long a call waits until it is known what the newest revision touched, before it asks the store.
const PATIENCE: Duration = Duration::from_millis(200);

impl Snapshots {
    /// Starts without any cells; they are kept as `encode` makes them. What revisions touch is followed until the hub ends.
    pub fn start(hub: &Arc<Hub>, encode: fn(Cell) -> Bytes) -> Arc<Self> {
        let newest = hub.revisions.head().newest.number;
        let kept = Arc::new(Cells::new(newest, hub.limits.kept_cells));
        tokio::spawn(follow(hub.db.clone(), hub.revisions.follow(), Arc::clone(&kept)));
        let store = Arc::new(CellStore { kept, encode, read: AtomicU64::new(0) });
        let (hub, reader) = (Arc::downgrade(hub), Arc::clone(&store));
        let load = move |wanted| {
            let (hub, store) = (Weak::clone(&hub), Arc::clone(&reader));
            async move {
                let hub = hub.upgrade().ok_or_else(|| Error::unavailable("the hub stops"))?;
                load_all(&hub, &store, wanted).await
            }
        };
        Arc::new(Self { store, together: Batcher::start(TOGETHER, load) })
    }

    /// How many cells were read from the store, together with those of other calls.
    pub fn read(&self) -> u64 {
        self.store.read.load(Ordering::Relaxed)
    }
}

/// The latest values of units x indicators, each cell as it is answered.
pub async fn snapshot(
    hub: &Hub,
    snapshots: &Snapshots,
    caller: &Caller,
    asked: Snapshot,
) -> Result<(Revision, Day, Vec<Bytes>)> {
    let Snapshot { units, indicators, period, date, consistency } = asked;
    must_fit(units.len().saturating_mul(indicators.len()))?;
    let question = Question { period, date };
    let mut view = hub.revisions.view(caller, consistency).await?;
    let is_newest = matches!(consistency, Consistency::Latest | Consistency::AtLeast(_));
    for _ in 0..TRIES {
        let keys = keys(hub, caller, &view, &units, &indicators, question).await?;
        if !is_newest || !followed(snapshots, caller, &view).await {
            break;
        }
        let mut found = snapshots.store.kept.at(&view, question, &keys);
        let missing = keys.iter().zip(&found).filter(|(_, it)| it.is_none()).map(|(key, _)| *key);
        let missing: Vec<_> = missing.collect::<BTreeSet<_>>().into_iter().collect();
        if !missing.is_empty() {
            let wanted = CellBatch { question, keys: missing };
            let loaded = snapshots.together.get(wanted).await?;
            let loaded = loaded.ok_or_else(|| Error::internal("no cells were read"))?;
            if loaded.view.number() != view.number() || loaded.view.epoch() != view.epoch() {
                // Others wrote meanwhile: all of the answer is to be of the one revision.
                view = loaded.view;
                continue;
            }
            for (key, found) in keys.iter().zip(&mut found) {
                if found.is_none() {
                    *found = loaded.cells.get(&(question, *key)).cloned();
                }
            }
        }
        let cells: Option<Vec<_>> = found.into_iter().collect();
        let cells = cells.ok_or_else(|| Error::internal("a cell was not read"))?;
        return Ok((view.revision, date, cells));
    }
    let keys = keys(hub, caller, &view, &units, &indicators, question).await?;
    let cells = load(hub, &view, question, &keys).await?;
    let cells = cells.into_iter().map(snapshots.store.encode).collect();
    Ok((view.revision, date, cells))
}

/// The cells that are asked for, in the order of the answer, if the caller may know of all.
async fn keys(
    hub: &Hub,
    caller: &Caller,
    view: &View,
    units: &[unit::Ref],
    indicators: &[Code],
    Question { period, date }: Question,
) -> Result<Vec<Key>> {
    let names = Names::open(hub, view).await?;
    let definitions = names.definitions.visible_all(caller, indicators)?;
    // A period's last day depends on the calendar; among the calendars it differs by half a month at most, which no code does.
    let spoken_of = match (period, definitions.first()) {
        (Some(period), Some(first)) => first.meaning.range(period).to,
        (_, _) => date,
    };
    let units = names.units(caller, units, spoken_of)?;
    let cells = units.iter().flat_map(|unit| definitions.iter().map(|it| (it.id, *unit)));
    Ok(cells.collect())
}

/// Waits until it is known what was touched up to a view; false if that takes long.
async fn followed(snapshots: &Snapshots, caller: &Caller, view: &View) -> bool {
    let mut through = snapshots.store.kept.follow();
    let patience = Instant::now() + PATIENCE;
    let reached = through.wait_for(|it| *it >= view.number());
    time::timeout_at(patience.min(caller.deadline).into(), reached).await.is_ok_and(|it| it.is_ok())
}

/// Reads what several calls want, at one revision, and keeps it.
async fn load_all(
    hub: &Hub,
    store: &CellStore,
    wanted: Vec<CellBatch>,
) -> Result<HashMap<CellBatch, LoadedCells>> {
    // Picked after the calls came in, so that each sees what was committed before it was made.
    let view = hub.revisions.latest();
    let mut asked: HashMap<Question, BTreeSet<Key>> = HashMap::new();
    for CellBatch { question, keys } in &wanted {
        asked.entry(*question).or_default().extend(keys);
    }
    let mut read = HashMap::new();
    for (question, keys) in asked {
        let keys: Vec<_> = keys.into_iter().collect();
        for keys in keys.chunks(CHUNK) {
            let cells = load(hub, &view, question, keys).await?;
            let cells = cells.into_iter().map(store.encode);
            let cells: Vec<_> = keys.iter().copied().zip(cells).collect();
            store.kept.keep(&view, question, cells.iter().cloned());
            read.extend(cells.into_iter().map(|(key, it)| ((question, key), it)));
        }
    }
    store.read.fetch_add(u64::try_from(read.len()).unwrap_or(u64::MAX), Ordering::Relaxed);
    let loaded = LoadedCells { view, cells: Arc::new(read) };
    Ok(wanted.into_iter().map(|it| (it, loaded.clone())).collect())
}

/// Reads cells, in their order.
async fn load(
    hub: &Hub,
    view: &View,
    Question { period, date }: Question,
    keys: &[Key],
) -> Result<Vec<Cell>> {
    let names = Names::open(hub, view).await?;
    let patches = Patches::of(&names, keys)?;
    let latest = latest_rows(&hub.db, &names, &patches, period, date, view).await?;
    // How fresh a cell is, its newest period says, whichever is shown.
    let newest = match period {
        Some(_) => latest_rows(&hub.db, &names, &patches, None, date, view).await?,
        None => HashMap::new(),
    };
    let aims = target_rows(&hub.db, &patches, view).await?;
    let mut cells = Vec::with_capacity(keys.len());
    for key in keys {
        let definition = patches.definitions.get(&key.0);
        let definition = definition.ok_or_else(|| Error::internal("a definition is missing"))?;
        // Not taken out: a unit or an indicator may be asked for twice.
        let rows = latest.get(key).map_or(&[] as &[_], Vec::as_slice);
        let aims = aims.get(key).cloned().unwrap_or_default();
        let newest = newest.get(key).and_then(|it| it.first()).map(|it| it.period);
        cells.push(cell(&names, definition, key.1, rows, aims, (period, newest), date));
    }
    let by = period.is_none().then_some(date);
    judge_all(hub, view, &names, &patches, &mut cells, by).await?;
    Ok(cells)
}

/// Cells as the store is asked for them: indicators that are wanted of the same units stand together.
struct Patches {
    definitions: BTreeMap<i64, Arc<Definition>>,
    all: Vec<(Vec<i64>, Vec<i64>)>,
}

impl Patches {
    fn of(names: &Names, keys: &[Key]) -> Result<Self> {
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
        Ok(Self { definitions, all })
    }

    fn definitions(&self) -> Vec<Arc<Definition>> {
        self.definitions.values().map(Arc::clone).collect()
    }

    fn cells(&self) -> impl Iterator<Item = Key> {
        self.all.iter().flat_map(|(indicators, units)| {
            indicators.iter().flat_map(|it| units.iter().map(|unit| (*it, *unit)))
        })
    }

    fn hold(&self, indicator: impl ColumnTrait, unit: impl ColumnTrait) -> Condition {
        let mut any = Condition::any();
        for (indicators, units) in &self.all {
            let indicators = indicator.is_in(indicators.iter().copied());
            any = any.add(indicators.and(unit.is_in(units.iter().copied())));
        }
        any
    }
}

type ByCell<T> = HashMap<(i64, i64), Vec<T>>;

/// Rows kept for one cell and kind of period: the latest, and the one before it.
const RECENT: u64 = 2;
/// Newest rows of a cell that are read first. They hold the latest and the one before it, unless kinds of periods mingle.
const FIRST: u64 = 4;

/// The newest observations of each cell, newest first; of periods that began by `date`, or up to one period. What a cell costs
/// does not grow with its history: all of that is looked through only for cells whose newest rows do not tell.
async fn latest_rows(
    db: &Db,
    names: &Names,
    patches: &Patches,
    period: Option<Period>,
    date: Day,
    view: &View,
) -> Result<ByCell<observation::Model>> {
    let until = Until::of(patches, period, date);
    let cells: Vec<_> = patches.cells().collect();
    let mut by_cell = by_cell(db, view, first(&until, &cells, view)).await?;
    let first = usize::try_from(FIRST).unwrap_or(usize::MAX);
    let is_open = |rows: &[observation::Model]| {
        rows.len() >= first && two(rows, period).is_none_or(|(_, previous)| previous.is_none())
    };
    let open: Vec<_> =
        cells.into_iter().filter(|it| by_cell.get(it).is_some_and(|rows| is_open(rows))).collect();
    if !open.is_empty() {
        use observation::Column;
        let patches = Patches::of(names, &open)?;
        let rows = observations(&patches.definitions(), view.number())
            .filter(patches.hold(Column::IndicatorId, Column::UnitId))
            .filter(Column::Breakdown.eq(""))
            .filter(until.reached(Column::PeriodStart, Column::PeriodEnd));
        by_cell.extend(self::by_cell(db, view, newest(rows, RECENT)).await?);
    }
    Ok(by_cell)
}

async fn by_cell(
    db: &Db,
    view: &View,
    rows: SelectStatement,
) -> Result<ByCell<observation::Model>> {
    let db = db.at(view.position());
    let rows = observation::Model::find_by_statement(db.get_database_backend().build(&rows));
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
fn first(until: &Until, cells: &[Key], view: &View) -> SelectStatement {
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
        .and_where(Expr::col(column(Breakdown)).eq(""))
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
    let mut rows = every_standing(view.number()).filter(Breakdown.eq("")).into_query();
    rows.from_values(cells.iter().copied(), cell.clone())
        .and_where(own(IndicatorId).eq(of_cell("1")))
        .and_where(own(UnitId).eq(of_cell("2")))
        .and_where(own(PeriodEnd).gte(reaches))
        .and_where(
            until.reached((observation::Entity, PeriodStart), (observation::Entity, PeriodEnd)),
        );
    rows
}

/// The row that a cell shows, and the one of an earlier period of the same kind, among its rows, newest first.
fn two(
    rows: &[observation::Model],
    period: Option<Period>,
) -> Option<(&observation::Model, Option<&observation::Model>)> {
    let place = match period {
        Some(period) => rows.iter().position(|it| it.period == period)?,
        None => 0,
    };
    let latest = rows.get(place)?;
    let earlier = |it: &&observation::Model| {
        it.period_end < latest.period_end && it.period.kind() == latest.period.kind()
    };
    Some((latest, rows.iter().skip(place).find(earlier)))
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

async fn target_rows(db: &Db, patches: &Patches, view: &View) -> Result<ByCell<target::Model>> {
    let rows = targets(&patches.definitions(), view.number())
        .filter(patches.hold(target::Column::IndicatorId, target::Column::UnitId))
        .order_by_asc(target::Column::PeriodEnd)
        .all(&db.at(view.position()))
        .await?;
    let mut by_cell: ByCell<target::Model> = HashMap::new();
    for row in rows {
        by_cell.entry((row.indicator_id, row.unit_id)).or_default().push(row);
    }
    Ok(by_cell)
}

fn cell(
    names: &Names,
    definition: &Arc<Definition>,
    unit_id: i64,
    rows: &[observation::Model],
    aims: Vec<target::Model>,
    (period, newest): (Option<Period>, Option<Period>),
    date: Day,
) -> Cell {
    let observed = |it: &observation::Model| names.observed(definition, it.clone());
    let (latest, previous) = match two(rows, period) {
        Some((latest, previous)) => (Some(observed(latest)), previous.map(observed)),
        None => (None, None),
    };
    let values = latest.as_ref().and_then(ObservationView::value);
    let change = values
        .zip(previous.as_ref().and_then(ObservationView::value))
        .map(|(latest, previous)| Decimal::sub(&latest, &previous));
    let definition_changed = latest
        .as_ref()
        .zip(previous.as_ref())
        .is_some_and(|(a, b)| a.row.definition_version != b.row.definition_version);
    let shown = period.or(latest.as_ref().map(|it| it.row.period));
    let target = pick(aims, shown, date).map(|it| names.aimed(definition, it));
    let span = names.forest.get(unit_id).map(|it| it.span);
    let span = span.unwrap_or(Span { from: Day::FIRST, to: Day::LAST });
    let reported = newest.or(latest.as_ref().map(|it| it.row.period));
    let freshness = judge::freshness(&definition.meaning, span, reported, date);
    let unit = names.forest.name(unit_id);
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
    names: &Names,
    patches: &Patches,
    cells: &mut [Cell],
    by: Option<Day>,
) -> Result<()> {
    use observation::Column;
    let aimed = || cells.iter().filter_map(|it| it.target.as_ref());
    let starts = aimed().map(|it| it.row.period_start).min();
    let ends = aimed().map(|it| it.row.period_end).max();
    let (Some(starts), Some(ends)) = (starts, ends) else { return Ok(()) };
    let own: BTreeSet<_> = aimed().map(|it| it.row.period).collect();
    let definitions = patches.definitions();
    let last = definitions.iter().filter(|it| it.meaning.time_rule == TimeRule::Last);
    // Only what can be judged by, of a history that may be long.
    let speaks = Condition::any()
        .add(Column::Period.is_in(own))
        .add(Column::Period.contains("-YTD-"))
        .add(Column::IndicatorId.is_in(last.map(|it| it.id)));
    let rows = observations(&definitions, view.number())
        .filter(speaks)
        .filter(patches.hold(Column::IndicatorId, Column::UnitId))
        .filter(Column::Breakdown.eq(""))
        .filter(Column::PeriodStart.gte(starts))
        .filter(Column::PeriodEnd.lte(ends))
        .filter(Column::PeriodStart.lte(by.unwrap_or(ends)))
        .order_by_desc(Column::PeriodEnd)
        .all(&hub.db.at(view.position()))
        .await?;
    let mut by_cell: ByCell<observation::Model> = HashMap::new();
    for row in rows {
        by_cell.entry((row.indicator_id, row.unit_id)).or_default().push(row);
    }
    for cell in cells {
        let Some(TargetView { row: target, .. }) = &cell.target else { continue };
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
        let value = judged.and_then(|it| names.observed(&cell.definition, it.clone()).value());
        let seen = value.as_ref().zip(judged.map(|it| it.qualifier));
        let attainment = judge::attain(target.comparison, target.value.as_ref(), seen);
        let period = judged.filter(|_| value.is_some()).map(|it| it.period);
        let to_date = period.is_some_and(|it| it != target.period);
        cell.attainment = Some((attainment, period, to_date));
    }
    Ok(())
}
