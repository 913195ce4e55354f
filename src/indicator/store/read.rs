//! Answers questions about observations and targets: pages, and versions.
use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbBackend, QueryFilter, QueryOrder, QuerySelect,
    Select, sea_query::Expr,
};

use super::{
    every_version, observations,
    order::{Key, RowRange, in_order, targets_in_order},
    parts::{has_parts, resolve_rows},
    targets,
};
use crate::{
    caller::{Caller, directory::Directory, scope::UnitScope},
    db::list::among,
    decimal::Decimal,
    error::{Error, Result},
    hub::{Hub, store::inside::inside},
    indicator::{
        Breakdown, Code, Definition, Reading,
        definitions::Definitions,
        queries::{BreakdownFilter, Filter, ListRevisions, Query, QueryTargets},
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
    /// How many categories it was computed from; 0 where it was reported as such.
    pub parts: usize,
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
        ObservationView { definition, unit, row, source, superseded: None, parts: 0 }
    }

    pub(super) fn aimed(&self, definition: &Arc<Definition>, row: target::Model) -> TargetView {
        let unit = self.forest.name(row.unit_id);
        let source = self.directory.code_of(row.source_id);
        let definition = self.definitions.version(definition, row.definition_version);
        TargetView { definition, unit, row, source }
    }

    /// The units that are meant and shared on a date, in their order; all bad ones are named at once.
    pub(super) fn units(
        &self,
        caller: &Caller,
        named: &[unit::Ref],
        date: Day,
    ) -> Result<Vec<i64>> {
        self.units_shared(named, date, |it| caller.sees_unit(it, date))
    }

    /// Those that are shared on any date: which of their values are, the rows tell.
    pub(super) fn units_ever(
        &self,
        caller: &Caller,
        named: &[unit::Ref],
        date: Day,
    ) -> Result<Vec<i64>> {
        self.units_shared(named, date, |it| caller.sees_unit_ever(it))
    }

    fn units_shared(
        &self,
        named: &[unit::Ref],
        date: Day,
        is_shared: impl Fn(i64) -> bool,
    ) -> Result<Vec<i64>> {
        let mut refused = Vec::new();
        let mut found = Vec::with_capacity(named.len());
        for (index, named) in named.iter().enumerate() {
            match self.forest.resolve_shared(named, date, "", &is_shared) {
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
    scope: Option<Arc<UnitScope>>,
    ends_from: Option<Day>,
    ends_before: Option<Day>,
    period: Option<Period>,
    breakdowns: BreakdownFilter,
}

impl Selection {
    pub(super) async fn open(
        hub: &Hub,
        caller: &Caller,
        view: View,
        filter: Filter,
    ) -> Result<Self> {
        let Filter {
            indicators,
            units,
            with_descendants,
            ends_from,
            ends_before,
            period,
            breakdowns,
        } = filter;
        let definitions = asked_for(hub, caller, &view, &indicators).await?;
        let names = Names::open(hub, &view).await?;
        let date = ends_before.map_or_else(Day::today, Day::previous);
        let named = names.units_ever(caller, &units, date)?;
        let units = (!units.is_empty()).then(|| {
            let mut units: BTreeSet<i64> = named.iter().copied().collect();
            if with_descendants {
                units.extend(named.iter().flat_map(|it| names.forest.ever_below(*it)));
            }
            units
        });
        let scope = scope_of(caller, units.as_ref());
        Ok(Self {
            view,
            definitions,
            names,
            units,
            scope,
            ends_from,
            ends_before,
            period,
            breakdowns,
        })
    }

    /// The rows after a key, in their order, at most so many.
    pub(super) async fn rows(
        &self,
        hub: &Hub,
        after: Option<Key>,
        limit: u64,
    ) -> Result<Vec<observation::Model>> {
        let stretch = RowRange { definitions: &self.definitions, after, limit };
        let db = hub.db.at(self.view.position());
        let column = |it| move || Expr::col((observation::Entity, it));
        let inside = of_units(
            db.get_database_backend(),
            self.units.as_ref(),
            self.scope.as_deref(),
            column(observation::Column::UnitId),
            column(observation::Column::PeriodEnd),
        )?;
        let asked = |definitions: &[_], key: Option<&Key>| self.asked(definitions, key, &inside);
        let mut rows = stretch.read(&db, asked).await?;
        self.flag(&db, &mut rows).await?;
        Ok(rows)
    }

    /// Marks totals that their parts contradict.
    async fn flag(&self, db: &impl ConnectionTrait, rows: &mut [observation::Model]) -> Result<()> {
        use observation::Column;
        for definition in &self.definitions {
            let made_of = |it: &observation::Model| {
                let breakdown = Breakdown::from_text(&it.breakdown);
                it.indicator_id == definition.id && has_parts(definition, &breakdown)
            };
            let totals: Vec<_> = rows.iter_mut().filter(|it| made_of(it)).collect();
            if totals.is_empty() {
                continue;
            }
            let units: BTreeSet<_> = totals.iter().map(|it| it.unit_id).collect();
            let periods: BTreeSet<_> = totals.iter().map(|it| it.period).collect();
            let all = observations(&[Arc::clone(definition)], self.view.number())
                .filter(Column::UnitId.is_in(units))
                .filter(Column::Period.is_in(periods))
                .all(db)
                .await?;
            let mut cells: HashMap<_, Vec<_>> = HashMap::new();
            for row in all {
                cells.entry((row.unit_id, row.period)).or_default().push(row);
            }
            for total in totals {
                let parts = cells.get(&(total.unit_id, total.period)).cloned().unwrap_or_default();
                let breakdown = Breakdown::from_text(&total.breakdown);
                let resolved = resolve_rows(definition, &breakdown, parts);
                total.inconsistent |= resolved.iter().any(|it| it.row.inconsistent);
            }
        }
        Ok(())
    }

    fn asked(
        &self,
        definitions: &[Arc<Definition>],
        after: Option<&Key>,
        inside: &Condition,
    ) -> Select<observation::Entity> {
        use observation::Column;
        let mut rows = observations(definitions, self.view.number()).filter(inside.clone());
        if let Some(from) = self.ends_from {
            rows = rows.filter(Column::PeriodEnd.gte(from));
        }
        if let Some(before) = self.ends_before {
            rows = rows.filter(Column::PeriodEnd.lt(before));
        }
        if let Some(period) = self.period {
            rows = rows.filter(Column::Period.is_in(period.same_days()));
        }
        if let Some(meant) = of_breakdowns(Column::Breakdown, &self.breakdowns) {
            rows = rows.filter(meant);
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
    let QueryTargets { indicators, units, breakdowns, page, consistency } = query;
    let (view, after) = hub.revisions.page(caller, consistency, &page).await?;
    let definitions = asked_for(hub, caller, &view, &indicators).await?;
    let names = Names::open(hub, &view).await?;
    let named = names.units_ever(caller, &units, Day::today())?;
    let units = (!units.is_empty()).then(|| named.into_iter().collect());
    let db = hub.db.at(view.position());
    let column = |it| move || Expr::col((target::Entity, it));
    let inside = of_units(
        db.get_database_backend(),
        units.as_ref(),
        scope_of(caller, units.as_ref()).as_deref(),
        column(Column::UnitId),
        column(Column::PeriodEnd),
    )?;
    let asked = |definitions: &[Arc<Definition>], after: Option<&Key>| {
        let mut rows = targets(definitions, view.number()).filter(inside.clone());
        if let Some(meant) = of_breakdowns(Column::Breakdown, &breakdowns) {
            rows = rows.filter(meant);
        }
        if let Some(key) = after {
            rows = rows.filter(key.before_target());
        }
        targets_in_order(rows)
    };
    let after = after.as_deref().and_then(Key::parse);
    let stretch = RowRange { definitions: &definitions, after, limit: limit(&page) };
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

/// Whether a row is of the breakdowns that are meant; nothing where all are. The text of a breakdown holds its
/// categories between commas, and no wildcards.
fn of_breakdowns(column: impl ColumnTrait, meant: &BreakdownFilter) -> Option<Condition> {
    let BreakdownFilter { categories, exact } = meant;
    if *exact {
        return Some(Condition::all().add(column.eq(categories.to_string())));
    }
    if categories.0.is_empty() {
        return None;
    }
    let holds = |(dimension, category): (&String, &String)| {
        let pair = format!("{dimension}={category}");
        Condition::any()
            .add(column.eq(pair.clone()))
            .add(column.like(format!("{pair},%")))
            .add(column.like(format!("%,{pair}")))
            .add(column.like(format!("%,{pair},%")))
    };
    Some(categories.0.iter().map(holds).fold(Condition::all(), Condition::add))
}

/// The scope that rows must be inside of; none where all rows of these units are.
fn scope_of(caller: &Caller, units: Option<&BTreeSet<i64>>) -> Option<Arc<UnitScope>> {
    let scope = caller.indicator_units()?;
    let is_open = units.is_some_and(|it| it.iter().all(|it| scope.has_always(*it)));
    (!is_open).then(|| Arc::clone(scope))
}

/// Whether a row is of one of these units, and inside a scope.
fn of_units(
    backend: DbBackend,
    units: Option<&BTreeSet<i64>>,
    scope: Option<&UnitScope>,
    unit: impl Fn() -> Expr,
    day: impl Fn() -> Expr,
) -> Result<Condition> {
    let asked = units.map(|it| among(backend, unit(), it.iter().copied())).transpose()?;
    let shared = scope.map(|it| inside(backend, it, &unit, &day)).transpose()?;
    Ok(Condition::all().add_option(asked).add_option(shared))
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
    let period = definition.meaning.canonical(period);
    let ends = definition.meaning.range(period).to;
    let unit = names.forest.resolve_shared(&unit, ends, "unit", |it| caller.sees_unit(it, ends))?;
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
