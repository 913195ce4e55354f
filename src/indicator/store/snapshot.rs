//! The dashboard's question: latest value, previous, target, attainment and freshness of units x indicators.
use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;

use tokio::time;

use super::{
    attainment::{Judged, judge_all},
    comparison::years_before,
    follow::follow,
    latest::{Patches, beside, latest_rows, target_rows, two},
    newest,
    parts::{CellRow, MadeOf},
    read::{Names, ObservationView, TargetView},
    selection::{self, Asked},
};
use crate::{
    batch::Batcher,
    caller::{Caller, scope::UnitScope},
    error::{Error, Result},
    hub::Hub,
    indicator::{
        Definition, Meaning,
        cells::{Cells, Key, Question},
        judge::{self, Freshness},
        queries::{Snapshot, WantedCells},
        row::target,
    },
    page::{Mark, Paged},
    period::{Period, PeriodKind},
    revision::{Consistency, Revision, View},
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
    pub latest: Option<ObservationView>,
    /// The latest of an earlier period of the same kind.
    pub previous: Option<ObservationView>,
    /// The figure of the same period a year before.
    pub year_before: Option<ObservationView>,
    /// The target.
    pub target: Option<TargetView>,
    /// Whether it is met.
    pub attainment: Option<Judged>,
    /// How fresh the latest observation is.
    pub freshness: Freshness,
    /// The newest figures of longer periods and of periods to date.
    pub beside: Vec<ObservationView>,
    /// The parts that the newest period lacks.
    pub lacking: Vec<String>,
}

/// How cells are made for the wire.
#[derive(Clone, Copy, Debug)]
pub struct CellEncoder {
    /// A cell, as it is kept.
    pub cell: fn(Cell) -> Bytes,
    /// A kept cell with what other sources contributed.
    pub contributed: fn(Bytes, Vec<ObservationView>) -> Bytes,
}

/// The cells and the question of one call.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CellBatch {
    question: Question,
    keys: Vec<Key>,
}

/// Cells that were read together, encoded.
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

/// The cell cache, and the encoder of cells.
#[derive(Debug)]
struct CellStore {
    kept: Arc<Cells>,
    encoder: CellEncoder,
    /// Cells that were read from the store, together with those of other calls.
    read: AtomicU64,
}

/// Most calls in one batch.
const TOGETHER: usize = 16;
/// Most cells in one query.
const CHUNK: usize = 2_000;
/// How often a call tries to find all of its cells at one revision, while others write.
const TRIES: usize = 3;
/// How long a call waits until it is known what the newest revision touched, before it asks the store.
const PATIENCE: Duration = Duration::from_millis(200);

impl Snapshots {
    /// Starts without any cells; they are kept as `encoder` makes them. What revisions touch is followed until the hub
    /// ends.
    pub fn start(hub: &Arc<Hub>, encoder: CellEncoder) -> Arc<Self> {
        let newest = hub.revisions.head().newest.number;
        let kept = Arc::new(Cells::new(newest, hub.limits.kept_cells));
        tokio::spawn(follow(hub.db.clone(), hub.revisions.follow(), Arc::clone(&kept)));
        let store = Arc::new(CellStore { kept, encoder, read: AtomicU64::new(0) });
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
) -> Result<(Revision, Day, Paged<Bytes>)> {
    let Snapshot { wanted, period, date, breakdown, all_sources, consistency } = asked;
    let question = Question { period, date, breakdown };
    let (mut view, after) = match &wanted {
        WantedCells::Named { .. } => (hub.revisions.view(caller, consistency).await?, None),
        WantedCells::Selected(_, page) => hub.revisions.page(caller, consistency, page).await?,
    };
    let is_newest =
        after.is_none() && matches!(consistency, Consistency::Latest | Consistency::AtLeast(_));
    for _ in 0..TRIES {
        let names = Names::open(hub, &view).await?;
        let asked = Asked::of(&names, caller, &wanted, &question, after.as_deref())?;
        let keys = &asked.keys;
        // Cached cells are complete, so they cannot answer for a unit that is shared in part.
        if scope_of(caller, keys).is_some()
            || !is_newest
            || !followed(snapshots, caller, &view).await
        {
            break;
        }
        let mut found = snapshots.store.kept.at(&view, &question, keys);
        let missing = keys.iter().zip(&found).filter(|(_, it)| it.is_none()).map(|(key, _)| *key);
        let missing: Vec<_> = missing.collect::<BTreeSet<_>>().into_iter().collect();
        if !missing.is_empty() {
            let wanted = CellBatch { question: question.clone(), keys: missing };
            let loaded = snapshots.together.get(wanted).await?;
            let loaded = loaded.ok_or_else(|| Error::internal("no cells were read"))?;
            if loaded.view.number() != view.number() || loaded.view.epoch() != view.epoch() {
                // A write came between; the whole answer must be of one revision.
                view = loaded.view;
                continue;
            }
            for (key, found) in keys.iter().zip(&mut found) {
                if found.is_none() {
                    *found = loaded.cells.get(&(question.clone(), *key)).cloned();
                }
            }
        }
        let cells: Option<Vec<_>> = found.into_iter().collect();
        let mut cells = cells.ok_or_else(|| Error::internal("a cell was not read"))?;
        if all_sources {
            add_contributed(hub, snapshots, &view, &question, keys, None, &mut cells).await?;
        }
        return Ok((view.revision, date, cut(&wanted, &asked, cells, &hub.mark(caller, &view))));
    }
    let names = Names::open(hub, &view).await?;
    let asked = Asked::of(&names, caller, &wanted, &question, after.as_deref())?;
    let cells = load(hub, &view, &question, &asked.keys, scope_of(caller, &asked.keys)).await?;
    let mut cells = cells.into_iter().map(snapshots.store.encoder.cell).collect();
    if all_sources {
        let scope = scope_of(caller, &asked.keys);
        add_contributed(hub, snapshots, &view, &question, &asked.keys, scope, &mut cells).await?;
    }
    Ok((view.revision, date, cut(&wanted, &asked, cells, &hub.mark(caller, &view))))
}

/// Adds to cells what other sources contributed. It is never kept with them.
async fn add_contributed(
    hub: &Hub,
    snapshots: &Snapshots,
    view: &View,
    question: &Question,
    keys: &[Key],
    scope: Option<&Arc<UnitScope>>,
    cells: &mut Vec<Bytes>,
) -> Result<()> {
    let contributed = newest::contributed(hub, view, question, keys, scope).await?;
    for (key, cell) in keys.iter().zip(cells) {
        if let Some(all) = contributed.get(key) {
            *cell = (snapshots.store.encoder.contributed)(std::mem::take(cell), all.clone());
        }
    }
    Ok(())
}

/// Most bytes of cells on one page: the answer stays below the default limit of clients.
const MOST_BYTES: usize = 3_500_000;

/// A page of cells: what does not fit comes on the next one.
fn cut(
    wanted: &WantedCells,
    asked: &Asked,
    mut cells: Vec<Bytes>,
    mark: &Mark<'_>,
) -> Paged<Bytes> {
    let WantedCells::Selected(_, page) = wanted else {
        return Paged { items: cells, next: String::new() };
    };
    let mut bytes = 0;
    let fitting = cells.iter().take_while(|it| {
        bytes += it.len();
        bytes <= MOST_BYTES
    });
    // One cell alone is never so large.
    let fitting = fitting.count().max(1);
    let has_more = asked.has_more || fitting < cells.len();
    cells.truncate(fitting);
    let last = cells.len().checked_sub(1).and_then(|it| asked.keys.get(it));
    let next = last.filter(|_| has_more).map(|it| page.token(mark, &selection::name(it)));
    Paged { items: cells, next: next.unwrap_or_default() }
}

/// Waits until the touched cells up to a view are known; false if that takes too long.
async fn followed(snapshots: &Snapshots, caller: &Caller, view: &View) -> bool {
    let mut through = snapshots.store.kept.follow();
    let patience = Instant::now() + PATIENCE;
    let reached = through.wait_for(|it| *it >= view.number());
    time::timeout_at(patience.min(caller.deadline).into(), reached).await.is_ok_and(|it| it.is_ok())
}

/// Reads the cells of several calls at one revision, and caches them.
async fn load_all(
    hub: &Hub,
    store: &CellStore,
    wanted: Vec<CellBatch>,
) -> Result<HashMap<CellBatch, LoadedCells>> {
    // The revision is picked after the calls arrived, so that each sees every earlier commit.
    let view = hub.revisions.latest();
    let mut asked: HashMap<Question, BTreeSet<Key>> = HashMap::new();
    for CellBatch { question, keys } in &wanted {
        asked.entry(question.clone()).or_default().extend(keys);
    }
    let mut read = HashMap::new();
    for (question, keys) in asked {
        let keys: Vec<_> = keys.into_iter().collect();
        for keys in keys.chunks(CHUNK) {
            let cells = load(hub, &view, &question, keys, None).await?;
            let cells = cells.into_iter().map(store.encoder.cell);
            let cells: Vec<_> = keys.iter().copied().zip(cells).collect();
            store.kept.keep(&view, &question, cells.iter().cloned());
            read.extend(cells.into_iter().map(|(key, it)| ((question.clone(), key), it)));
        }
    }
    store.read.fetch_add(u64::try_from(read.len()).unwrap_or(u64::MAX), Ordering::Relaxed);
    let loaded = LoadedCells { view, cells: Arc::new(read) };
    Ok(wanted.into_iter().map(|it| (it, loaded.clone())).collect())
}

/// The scope that the cells of a caller must be cut to; none where all of every unit is shared.
fn scope_of<'a>(caller: &'a Caller, keys: &[Key]) -> Option<&'a Arc<UnitScope>> {
    let scope = caller.indicator_units()?;
    let is_open = keys.iter().all(|(_, unit)| scope.has_always(*unit));
    (!is_open).then_some(scope)
}

/// Reads cells, in their order.
async fn load(
    hub: &Hub,
    view: &View,
    question: &Question,
    keys: &[Key],
    scope: Option<&Arc<UnitScope>>,
) -> Result<Vec<Cell>> {
    let Question { period, date, breakdown } = question;
    let names = Names::open(hub, view).await?;
    let patches = Patches::of(&names, keys, scope)?;
    let latest = latest_rows(&hub.db, &names, &patches, question, view).await?;
    // Freshness is judged by the newest period, whichever is shown.
    let newest = match period {
        Some(_) => {
            let any = Question { period: None, ..question.clone() };
            latest_rows(&hub.db, &names, &patches, &any, view).await?
        }
        None => HashMap::new(),
    };
    let aims = target_rows(&hub.db, &patches, breakdown, view).await?;
    let mut cells = Vec::with_capacity(keys.len());
    for key in keys {
        let definition = patches.definition(key.0);
        let definition = definition.ok_or_else(|| Error::internal("a definition is missing"))?;
        // Not taken out: a unit or an indicator may be asked for twice.
        let rows = latest.get(key).map_or(&[] as &[_], Vec::as_slice);
        let aims = aims.get(key).cloned().unwrap_or_default();
        let newest = newest.get(key).map_or(rows, Vec::as_slice);
        cells.push(cell(&names, definition, key.1, (rows, newest), aims, *period, *date));
    }
    years_before(hub, view, &names, &patches, question, &mut cells).await?;
    let by = period.is_none().then_some(*date);
    judge_all(hub, view, &names, &patches, &mut cells, breakdown, by).await?;
    Ok(cells)
}

fn cell(
    names: &Names,
    definition: &Arc<Definition>,
    unit_id: i64,
    (rows, newest): (&[CellRow], &[CellRow]),
    aims: Vec<target::Model>,
    period: Option<Period>,
    date: Day,
) -> Cell {
    let meaning = &definition.meaning;
    let observed = |it: &CellRow| ObservationView {
        parts: it.parts(),
        ..names.observed(definition, it.row.clone())
    };
    let shown = two(meaning, rows, period);
    let others = beside(meaning, rows, shown.map(|(latest, _)| latest));
    let beside = others.into_iter().map(observed).collect();
    let (latest, previous) = match shown {
        Some((latest, previous)) => (Some(observed(latest)), previous.map(observed)),
        None => (None, None),
    };
    let shown = period.map(|it| meaning.canonical(it));
    let shown = shown.or(latest.as_ref().map(|it| it.row.period));
    let target = pick(aims, shown, date).map(|it| names.aimed(definition, it));
    let span = names.forest.get(unit_id).map(|it| it.span);
    let span = span.unwrap_or(Span { from: Day::FIRST, to: Day::LAST });
    let (freshness, lacking) = freshness(meaning, span, newest, date);
    let unit = names.forest.name(unit_id);
    Cell {
        definition: Arc::clone(definition),
        unit,
        latest,
        previous,
        year_before: None,
        target,
        attainment: None,
        freshness,
        beside,
        lacking,
    }
}

/// How fresh a cell is: by its newest period of the frequency, or to date. Where parts of that lack, it says which.
fn freshness(
    meaning: &Meaning,
    span: Span,
    newest: &[CellRow],
    date: Day,
) -> (Freshness, Vec<String>) {
    let kind = meaning.frequency.kind();
    let is_owed = |it: &&CellRow| [kind, PeriodKind::ToDate].contains(&it.row.period.kind());
    let newest = newest.iter().find(is_owed);
    let freshness = judge::freshness(meaning, span, newest.map(|it| it.row.period), date);
    match newest.map(|it| &it.made_of) {
        Some(MadeOf::Lacking(lacking)) => {
            let missing = newest.map(|it| it.row.period);
            let state = judge::FreshnessState::Partial;
            (Freshness { state, missing, ..freshness }, lacking.clone())
        }
        _ => (freshness, Vec::new()),
    }
}

/// The target of the period shown, else the next one that is to come, else the last one.
fn pick(aims: Vec<target::Model>, shown: Option<Period>, date: Day) -> Option<target::Model> {
    let own = aims.iter().position(|it| Some(it.period) == shown);
    let next = || aims.iter().position(|it| it.period_end >= date);
    let place = own.or_else(next).or(aims.len().checked_sub(1))?;
    aims.into_iter().nth(place)
}
