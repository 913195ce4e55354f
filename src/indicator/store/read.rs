//! Answers questions about observations and targets: pages, and versions.
use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    Select, Value,
    sea_query::{Expr, ExprTrait, SimpleExpr},
};

use super::{every_version, observations, targets};
use crate::{
    caller::{Caller, directory::Directory},
    db::list::among,
    decimal::Decimal,
    error::{Error, Result},
    hub::Hub,
    indicator::{
        Code, Definition, Reading,
        definitions::Definitions,
        queries::{Filter, ListRevisions, Query, QueryTargets},
        row::{observation, target},
    },
    limits::MOST_CELLS,
    page::{Page, Paged},
    period::Period,
    revision::{Revision, View, store as revisions},
    time::Day,
    unit::{self, Name, forest::Forest},
};

/// An observation with what it takes to read it: its definition, its unit and its source by their names.
#[derive(Clone, Debug)]
pub struct ObservationView {
    /// The version of the definition that it was published under.
    pub definition: Arc<Definition>,
    /// The unit.
    pub unit: Name,
    /// The row.
    pub row: observation::Model,
    /// Code of the system that published it.
    pub source: String,
    /// The revision that superseded it, when that is known at the revision of the answer.
    pub superseded: Option<Revision>,
}

impl ObservationView {
    /// The value that counts.
    pub fn value(&self) -> Option<Decimal> {
        self.row.reading().effective(self.definition.meaning.scale.as_ref())
    }
}

/// A target, likewise.
#[derive(Clone, Debug)]
pub struct TargetView {
    /// The definition.
    pub definition: Arc<Definition>,
    /// The unit.
    pub unit: Name,
    /// The row.
    pub row: target::Model,
    /// Code of the system that published it.
    pub source: String,
}

/// The names that answers are read with, all at one view.
#[derive(Debug)]
pub struct Names {
    /// Units.
    pub forest: Arc<Forest>,
    /// Systems.
    pub directory: Arc<Directory>,
    /// Definitions.
    pub definitions: Arc<Definitions>,
}

impl Names {
    /// Opens them.
    pub async fn open(hub: &Hub, view: &View) -> Result<Self> {
        Ok(Self {
            forest: hub.reference::<Forest>(view).await?,
            directory: hub.reference::<Directory>(view).await?,
            definitions: hub.reference::<Definitions>(view).await?,
        })
    }

    pub(super) fn observed(
        &self,
        definition: &Arc<Definition>,
        row: observation::Model,
    ) -> ObservationView {
        let unit = self.forest.name(row.unit_id);
        let source = self.directory.code_of(row.source_id);
        let definition = self.definitions.version(definition, row.definition_version);
        ObservationView { definition, unit, row, source, superseded: None }
    }

    pub(super) fn aimed(&self, definition: &Arc<Definition>, row: target::Model) -> TargetView {
        let unit = self.forest.name(row.unit_id);
        let source = self.directory.code_of(row.source_id);
        let definition = self.definitions.version(definition, row.definition_version);
        TargetView { definition, unit, row, source }
    }

    /// The units that are meant and shared, in their order; all bad ones are named at once.
    pub(super) fn units(
        &self,
        caller: &Caller,
        named: &[unit::Ref],
        date: Day,
    ) -> Result<Vec<i64>> {
        let mut refused = Vec::new();
        let mut found = Vec::with_capacity(named.len());
        for (index, named) in named.iter().enumerate() {
            match self.forest.resolve_shared(named, date, "", |it| caller.sees_unit(it)) {
                Ok(unit) => found.push(unit.id),
                Err(err) => refused.push((index, err)),
            }
        }
        Error::all(refused, "units").map(|()| found)
    }
}

pub(super) fn must_fit(cells: usize) -> Result<()> {
    if cells <= MOST_CELLS {
        return Ok(());
    }
    let rule = format!("make at most {MOST_CELLS} cells, not {cells}");
    Err(Error::field("indicators", rule))
}

/// A page of observations.
pub async fn query(
    hub: &Hub,
    caller: &Caller,
    query: Query,
) -> Result<(Revision, Paged<ObservationView>)> {
    let Query { filter, page, consistency } = query;
    let (view, after) = hub.revisions.page(caller, consistency, &page).await?;
    let wanted = Selection::open(hub, caller, view, filter).await?;
    let rows = wanted.rows(hub, after.as_deref().and_then(Key::parse), limit(&page)).await?;
    let Paged { items, next } =
        page.cut(rows, &hub.mark(caller, &view), |it| (Key::of)(it).to_string());
    Ok((view.revision, Paged { items: wanted.observed(items), next }))
}

/// The observations that a question is about, at one revision, with the names to read them.
pub(super) struct Selection {
    pub(super) view: View,
    pub(super) definitions: Vec<Arc<Definition>>,
    names: Names,
    units: Option<BTreeSet<i64>>,
    ends_from: Option<Day>,
    ends_before: Option<Day>,
    period: Option<Period>,
}

impl Selection {
    pub(super) async fn open(
        hub: &Hub,
        caller: &Caller,
        view: View,
        filter: Filter,
    ) -> Result<Self> {
        let Filter { indicators, units, with_descendants, ends_from, ends_before, period } = filter;
        let definitions = asked_for(hub, caller, &view, &indicators).await?;
        let names = Names::open(hub, &view).await?;
        let date = ends_before.map_or_else(Day::today, Day::previous);
        let named = names.units(caller, &units, date)?;
        let units = (!units.is_empty()).then(|| {
            let mut units: BTreeSet<i64> = named.iter().copied().collect();
            if with_descendants {
                units.extend(named.iter().flat_map(|it| names.forest.ever_below(*it)));
            }
            // What is below is inside as well, where the unit is.
            units
        });
        let units = units.or_else(|| caller.indicator_units().map(|it| it.as_ref().clone()));
        Ok(Self { view, definitions, names, units, ends_from, ends_before, period })
    }

    /// The rows after a key, in their order, at most so many.
    pub(super) async fn rows(
        &self,
        hub: &Hub,
        after: Option<Key>,
        limit: u64,
    ) -> Result<Vec<observation::Model>> {
        let stretch = Stretch { definitions: &self.definitions, after, limit };
        let db = hub.db.at(self.view.position());
        let inside = among_units(db.get_database_backend(), self.units.as_ref(), || {
            Expr::col((observation::Entity, observation::Column::UnitId))
        })?;
        stretch.read(&db, |definitions, key| self.asked(definitions, key, inside.as_ref())).await
    }

    fn asked(
        &self,
        definitions: &[Arc<Definition>],
        after: Option<&Key>,
        inside: Option<&SimpleExpr>,
    ) -> Select<observation::Entity> {
        use observation::Column;
        let mut rows = observations(definitions, self.view.number());
        if let Some(inside) = inside {
            rows = rows.filter(inside.clone());
        }
        if let Some(from) = self.ends_from {
            rows = rows.filter(Column::PeriodEnd.gte(from));
        }
        if let Some(before) = self.ends_before {
            rows = rows.filter(Column::PeriodEnd.lt(before));
        }
        if let Some(period) = self.period {
            rows = rows.filter(Column::Period.eq(period));
        }
        if let Some(key) = after {
            rows = rows.filter(key.before_observation());
        }
        in_order(rows)
    }

    /// Rows with their names.
    pub(super) fn observed(&self, rows: Vec<observation::Model>) -> Vec<ObservationView> {
        let by_id: HashMap<_, _> = self.definitions.iter().map(|it| (it.id, it)).collect();
        rows.into_iter()
            .filter_map(|it| Some(self.names.observed(by_id.get(&it.indicator_id)?, it)))
            .collect()
    }
}

/// A page of targets.
pub async fn query_targets(
    hub: &Hub,
    caller: &Caller,
    query: QueryTargets,
) -> Result<(Revision, Paged<TargetView>)> {
    use target::Column;
    let QueryTargets { indicators, units, page, consistency } = query;
    let (view, after) = hub.revisions.page(caller, consistency, &page).await?;
    let definitions = asked_for(hub, caller, &view, &indicators).await?;
    let names = Names::open(hub, &view).await?;
    let units = match (units.is_empty(), caller.indicator_units()) {
        (false, _) => Some(names.units(caller, &units, Day::today())?.into_iter().collect()),
        (true, Some(shared)) => Some(shared.as_ref().clone()),
        (true, None) => None,
    };
    let db = hub.db.at(view.position());
    let inside = among_units(db.get_database_backend(), units.as_ref(), || {
        Expr::col((target::Entity, Column::UnitId))
    })?;
    let asked = |definitions: &[Arc<Definition>], after: Option<&Key>| {
        let mut rows = targets(definitions, view.number());
        if let Some(inside) = &inside {
            rows = rows.filter(inside.clone());
        }
        if let Some(key) = after {
            rows = rows.filter(key.before_target());
        }
        targets_in_order(rows)
    };
    let after = after.as_deref().and_then(Key::parse);
    let stretch = Stretch { definitions: &definitions, after, limit: limit(&page) };
    let rows = stretch.read(&db, asked).await?;
    let paged = page.cut(rows, &hub.mark(caller, &view), |it| (Key::of_target)(it).to_string());
    let by_id: HashMap<_, _> = definitions.iter().map(|it| (it.id, it)).collect();
    let Paged { items, next } = paged;
    let items = items
        .into_iter()
        .filter_map(|it| Some(names.aimed(by_id.get(&it.indicator_id)?, it)))
        .collect();
    Ok((view.revision, Paged { items, next }))
}

/// The definitions with these codes, or all that are shared with the caller.
async fn asked_for(
    hub: &Hub,
    caller: &Caller,
    view: &View,
    codes: &[Code],
) -> Result<Vec<Arc<Definition>>> {
    let definitions = hub.reference::<Definitions>(view).await?;
    if codes.is_empty() {
        return Ok(definitions.shared_with(caller).cloned().collect());
    }
    definitions.visible_all(caller, codes)
}

fn limit(page: &Page) -> u64 {
    u64::try_from(page.size()).unwrap_or(u64::MAX).saturating_add(1)
}

/// Whether a row's unit is one of these; nothing where all are.
fn among_units(
    backend: DbBackend,
    units: Option<&BTreeSet<i64>>,
    unit: impl Fn() -> Expr,
) -> Result<Option<SimpleExpr>> {
    units.map(|it| among(backend, unit(), it.iter().copied())).transpose()
}

/// A stretch of rows in the order of their keys: of these indicators, after a key, at most so many.
pub(super) struct Stretch<'a> {
    pub(super) definitions: &'a [Arc<Definition>],
    pub(super) after: Option<Key>,
    pub(super) limit: u64,
}

impl Stretch<'_> {
    /// Reads it: what is left of the key's own indicator, and then the later ones. Asked for both at once, SQLite
    /// finds only the indicator in the index, and would read all of it again for every page.
    pub(super) async fn read<E: EntityTrait>(
        self,
        db: &impl ConnectionTrait,
        asked: impl Fn(&[Arc<Definition>], Option<&Key>) -> Select<E>,
    ) -> Result<Vec<E::Model>> {
        let Self { definitions, after, limit } = self;
        let Some(key) = after else {
            return Ok(asked(definitions, None).limit(limit).all(db).await?);
        };
        let of = |is_wanted: fn(&i64, &i64) -> bool| -> Vec<_> {
            let wanted = definitions.iter().filter(|it| is_wanted(&it.id, &key.indicator_id));
            wanted.cloned().collect()
        };
        let mut rows =
            asked(&of(|id, last| id.cmp(last).is_eq()), Some(&key)).limit(limit).all(db).await?;
        let later = of(|id, last| id > last);
        let left = limit.saturating_sub(u64::try_from(rows.len()).unwrap_or(limit));
        if left > 0 && !later.is_empty() {
            rows.extend(asked(&later, None).limit(left).all(db).await?);
        }
        Ok(rows)
    }
}

/// Observations in the order of their keys.
pub(super) fn in_order(rows: Select<observation::Entity>) -> Select<observation::Entity> {
    use observation::Column;
    rows.order_by_asc(Column::IndicatorId)
        .order_by_asc(Column::UnitId)
        .order_by_asc(Column::PeriodEnd)
        .order_by_asc(Column::Period)
        .order_by_asc(Column::Breakdown)
}

/// Targets, likewise.
pub(super) fn targets_in_order(rows: Select<target::Entity>) -> Select<target::Entity> {
    use target::Column;
    rows.order_by_asc(Column::IndicatorId)
        .order_by_asc(Column::UnitId)
        .order_by_asc(Column::PeriodEnd)
        .order_by_asc(Column::Period)
}

/// Where a row stands in the order of pages.
pub(super) struct Key {
    indicator_id: i64,
    unit_id: i64,
    period_end: Day,
    period: Period,
    breakdown: String,
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { indicator_id, unit_id, period_end, period, breakdown } = self;
        write!(f, "{indicator_id}|{unit_id}|{}|{period}|{breakdown}", period_end.number())
    }
}

impl Key {
    /// Of an observation.
    pub(super) fn of(it: &observation::Model) -> Self {
        Self {
            indicator_id: it.indicator_id,
            unit_id: it.unit_id,
            period_end: it.period_end,
            period: it.period,
            breakdown: it.breakdown.clone(),
        }
    }

    /// Of a target.
    pub(super) fn of_target(it: &target::Model) -> Self {
        Self {
            indicator_id: it.indicator_id,
            unit_id: it.unit_id,
            period_end: it.period_end,
            period: it.period,
            breakdown: String::new(),
        }
    }

    /// The token is sealed: what does not read was never ours.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(5, '|');
        Some(Self {
            indicator_id: parts.next()?.parse().ok()?,
            unit_id: parts.next()?.parse().ok()?,
            period_end: Day::from_number(parts.next()?.parse().ok()?),
            period: parts.next()?.parse().ok()?,
            breakdown: parts.next()?.to_owned(),
        })
    }

    /// That an observation of the same indicator comes after it.
    pub(super) fn before_observation(&self) -> Expr {
        use observation::Column::{Breakdown, Period, PeriodEnd, UnitId};
        let row = [UnitId, PeriodEnd, Period, Breakdown].map(Expr::col);
        let key: [Value; 4] = [
            self.unit_id.into(),
            self.period_end.number().into(),
            self.period.to_string().into(),
            self.breakdown.as_str().into(),
        ];
        Expr::tuple(row).gt(Expr::tuple(key.map(Expr::val)))
    }

    /// That a target of the same indicator comes after it.
    pub(super) fn before_target(&self) -> Expr {
        use target::Column::{Period, PeriodEnd, UnitId};
        let row = [UnitId, PeriodEnd, Period].map(Expr::col);
        let key: [Value; 3] =
            [self.unit_id.into(), self.period_end.number().into(), self.period.to_string().into()];
        Expr::tuple(row).gt(Expr::tuple(key.map(Expr::val)))
    }

    /// That something of the same indicator, or of a later one, comes after it.
    pub(super) fn before(&self, indicator_id: impl ColumnTrait, same: Expr) -> Expr {
        let later = indicator_id.gt(self.indicator_id);
        later.or(indicator_id.eq(self.indicator_id).and(same))
    }
}

/// Every version of one observation, newest first.
pub async fn list_revisions(
    hub: &Hub,
    caller: &Caller,
    list: ListRevisions,
) -> Result<(Revision, Paged<ObservationView>)> {
    use observation::Column;
    let ListRevisions { indicator, unit, period, breakdown, page, consistency } = list;
    let (view, after) = hub.revisions.page(caller, consistency, &page).await?;
    let definitions = hub.reference::<Definitions>(&view).await?;
    let definition = definitions.visible(caller, &indicator).map_err(|it| it.at("indicator"))?;
    let names = Names::open(hub, &view).await?;
    let ends = definition.meaning.range(period).to;
    let unit = names.forest.resolve_shared(&unit, ends, "unit", |it| caller.sees_unit(it))?;
    let mut rows = every_version(&[Arc::clone(definition)], view.number())
        .filter(Column::UnitId.eq(unit.id))
        .filter(Column::Period.eq(period))
        .filter(Column::Breakdown.eq(breakdown.to_string()));
    let after: Option<i64> = after.and_then(|it| it.parse().ok());
    if let Some(after) = after {
        rows = rows.filter(Column::MadeAt.lt(after));
    }
    let rows = rows
        .order_by_desc(Column::MadeAt)
        .limit(limit(&page))
        .all(&hub.db.at(view.position()))
        .await?;
    if rows.is_empty() && after.is_none() {
        let what = format!("{} {} {period}", indicator.as_str(), unit.name);
        return Err(Error::not_found("observation", what));
    }
    let Paged { items: rows, next } =
        page.cut(rows, &hub.mark(caller, &view), |last| last.made_at.to_string());
    let known = |it: &i64| *it <= view.number();
    // A tombstone ends as it begins: it is superseded by no other version.
    let ended = |it: &observation::Model| {
        it.superseded_at.filter(|at| it.withdrawal_reason.is_none() && known(at))
    };
    let ends = rows.iter().filter_map(ended);
    let times =
        revisions::times(&hub.db.at(view.position()), ends.collect::<BTreeSet<_>>()).await?;
    let items = rows.into_iter().map(|row| {
        let superseded =
            ended(&row).and_then(|number| Some(Revision { number, at: *times.get(&number)? }));
        ObservationView { superseded, ..names.observed(definition, row) }
    });
    Ok((view.revision, Paged { items: items.collect(), next }))
}

impl observation::Model {
    /// What was observed.
    pub fn reading(&self) -> Reading {
        Reading {
            value: self.value.clone(),
            numerator: self.numerator.clone(),
            denominator: self.denominator.clone(),
            qualifier: self.qualifier,
            status: self.status,
            definition_version: self.definition_version,
        }
    }
}
