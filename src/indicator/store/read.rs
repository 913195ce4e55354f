//! Answers questions about observations and targets, page by page.
use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbBackend, EntityTrait, QueryFilter, Select,
    sea_query::Expr,
};

use super::{
    contribution::{Contribution, SourcedRow},
    contributions, observations,
    order::{Key, RowRange, contributions_in_order, in_order, merged, targets_in_order},
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
        queries::{BreakdownFilter, Filter, Query, QueryTargets},
        row::{contribution, observation, target},
    },
    limits::MOST_CELLS,
    page::{Page, Paged},
    period::Period,
    revision::{Revision, View},
    time::Day,
    unit::{self, Name, forest::Forest},
};

/// An observation with its definition and the names of its unit and source.
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
    /// Whether another source than the authoritative one published it.
    pub contributed: bool,
}

impl ObservationView {
    /// The effective value.
    pub fn value(&self) -> Option<Decimal> {
        self.row.reading().effective(self.definition.meaning.scale.as_ref())
    }
}

/// A target with its definition and the names of its unit and source.
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

/// The reference data that answers need, all at one view.
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
    /// Loads them.
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
        ObservationView {
            definition,
            unit,
            row,
            source,
            superseded: None,
            parts: 0,
            contributed: false,
        }
    }

    /// A row of any source.
    pub(super) fn sourced(
        &self,
        definition: &Arc<Definition>,
        SourcedRow { row, contributed }: SourcedRow,
    ) -> ObservationView {
        ObservationView { contributed, ..self.observed(definition, row) }
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
        page.cut(rows, &hub.mark(caller, &view), |it| Key::of_sourced(it).to_string());
    Ok((view.revision, Paged { items: wanted.observed(items), next }))
}

/// The observations that match a filter, at one revision, with their names.
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
    all_sources: bool,
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
            all_sources,
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
            all_sources,
        })
    }

    /// The rows after a key, in their order, at most so many.
    pub(super) async fn rows(
        &self,
        hub: &Hub,
        after: Option<Key>,
        limit: u64,
    ) -> Result<Vec<SourcedRow>> {
        use observation::{Column, Entity};
        let db = hub.db.at(self.view.position());
        let column = |it| move || Expr::col((Entity, it));
        let inside = of_units(
            db.get_database_backend(),
            self.units.as_ref(),
            self.scope.as_deref(),
            column(Column::UnitId),
            column(Column::PeriodEnd),
        )?;
        let asked = |definitions: &[_], key: Option<&Key>| {
            let rows = observations(definitions, self.view.number());
            let columns = [Column::PeriodEnd, Column::Period, Column::Breakdown];
            let rows = self.narrowed(rows, columns, &inside);
            in_order(match key {
                Some(key) => rows.filter(key.before_observation()),
                None => rows,
            })
        };
        let contributed = match self.all_sources {
            true => self.contributed(&db, after.clone(), limit).await?,
            false => Vec::new(),
        };
        let stretch = RowRange { definitions: &self.definitions, after, limit };
        let mut rows = stretch.read(&db, asked).await?;
        self.flag(&db, &mut rows).await?;
        Ok(merged(rows, contributed, limit))
    }

    /// The rows of other sources after a key, likewise.
    async fn contributed(
        &self,
        db: &impl ConnectionTrait,
        after: Option<Key>,
        limit: u64,
    ) -> Result<Vec<Contribution>> {
        use contribution::{Column, Entity};
        let column = |it| move || Expr::col((Entity, it));
        let inside = of_units(
            db.get_database_backend(),
            self.units.as_ref(),
            self.scope.as_deref(),
            column(Column::UnitId),
            column(Column::PeriodEnd),
        )?;
        let asked = |definitions: &[_], key: Option<&Key>| {
            let rows = contributions(definitions, self.view.number());
            let columns = [Column::PeriodEnd, Column::Period, Column::Breakdown];
            let rows = self.narrowed(rows, columns, &inside);
            contributions_in_order(match key {
                Some(key) => rows.filter(key.before_contribution()),
                None => rows,
            })
        };
        let stretch = RowRange { definitions: &self.definitions, after, limit };
        stretch.read_as(db, asked).await
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

    /// Those of the rows that are asked for; the columns are the period's end, the period and the breakdown.
    fn narrowed<E: EntityTrait>(
        &self,
        rows: Select<E>,
        [period_end, period, breakdown]: [E::Column; 3],
        inside: &Condition,
    ) -> Select<E> {
        let mut rows = rows.filter(inside.clone());
        if let Some(from) = self.ends_from {
            rows = rows.filter(period_end.gte(from));
        }
        if let Some(before) = self.ends_before {
            rows = rows.filter(period_end.lt(before));
        }
        if let Some(asked) = self.period {
            rows = rows.filter(period.is_in(asked.same_days()));
        }
        if let Some(meant) = of_breakdowns(breakdown, &self.breakdowns) {
            rows = rows.filter(meant);
        }
        rows
    }

    /// Rows with their names.
    pub(super) fn observed(&self, rows: Vec<SourcedRow>) -> Vec<ObservationView> {
        let by_id: HashMap<_, _> = self.definitions.iter().map(|it| (it.id, it)).collect();
        rows.into_iter()
            .filter_map(|it| Some(self.names.sourced(by_id.get(&it.row.indicator_id)?, it)))
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

pub(super) fn limit(page: &Page) -> u64 {
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

impl observation::Model {
    /// The reading in the row.
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
