//! Queries about units.
mod publish;
pub mod reference;

use std::sync::Arc;

use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, QueryFilter, QueryOrder, QuerySelect,
};
use serde::{Deserialize, Serialize};

use super::{
    CodeSpan, Get, List, ParentSpan, Scheme, Succession, Trace, Tree, Unit,
    forest::{Forest, Lineage},
    row::{succession, unit},
};
use crate::{
    caller::Caller,
    error::{Error, Result},
    fold,
    hub::{Hub, reference::Reference},
    page::Paged,
    revision::versioned::{every, standing},
    revision::{ReferenceData, Revision, Stretch},
    time::{Day, Span},
};

/// The one door to units: those that stood at a revision. Every identified caller may see them.
fn visible(number: i64) -> sea_orm::Select<unit::Entity> {
    standing(number)
}

/// The same door, with the versions that were superseded by then.
fn every_version(number: i64) -> sea_orm::Select<unit::Entity> {
    every(number)
}

/// The versions of units that a stretch of revisions made.
pub async fn made(db: &impl ConnectionTrait, stretch: &Stretch) -> Result<Vec<Arc<Unit>>> {
    use unit::Column::{Id, MadeAt};
    let Stretch { after, through, key, limit } = stretch;
    let mut rows = every_version(*through).filter(MadeAt.gt(*after));
    if let Some(id) = key.as_deref().and_then(|it| it.parse::<i64>().ok()) {
        rows = rows.filter(Id.gt(id));
    }
    let rows = rows.order_by_asc(MadeAt).order_by_asc(Id).limit(*limit).all(db).await?;
    rows.into_iter().map(|it| Ok(Arc::new(it.try_into()?))).collect()
}

/// The one door to successions: those that stood at a revision.
fn visible_successions(number: i64) -> sea_orm::Select<succession::Entity> {
    standing(number)
}

impl Reference for Forest {
    const WHICH: ReferenceData = ReferenceData::Units;

    /// Loads every unit and succession as they stood at a revision, in chunks: rows take several times the memory of
    /// the forest, and the allocator does not give it back.
    async fn load(db: &impl ConnectionTrait, number: i64) -> Result<Self> {
        use succession::Column::PredecessorId;
        const SOME: i64 = 500;
        let last: Option<i64> = visible(number)
            .select_only()
            .column(unit::Column::Id)
            .order_by_desc(unit::Column::Id)
            .limit(1)
            .into_tuple()
            .one(db)
            .await?;
        let mut forest = Forest::default();
        let mut after = 0;
        while after < last.unwrap_or(0) {
            let through = after + SOME;
            let units = visible(number).filter(unit::Column::Id.gt(after));
            for row in units.filter(unit::Column::Id.lte(through)).all(db).await? {
                forest.put(row.try_into()?);
            }
            let steps = visible_successions(number).filter(PredecessorId.gt(after));
            for row in steps.filter(PredecessorId.lte(through)).all(db).await? {
                forest.put_succession(row.into());
            }
            after = through;
        }
        Ok(forest)
    }
}

/// One unit, with the forest that names its parents.
pub async fn get(hub: &Hub, caller: &Caller, get: Get) -> Result<(Revision, Arc<Forest>, Unit)> {
    let view = hub.revisions.view(caller, get.consistency).await?;
    let forest = hub.reference::<Forest>(&view).await?;
    let unit = forest.resolve(&get.unit, Day::today(), "unit")?.clone();
    Ok((view.revision, forest, unit))
}

/// A page of units.
pub async fn list(
    hub: &Hub,
    caller: &Caller,
    list: List,
) -> Result<(Revision, Arc<Forest>, Paged<Unit>)> {
    let List { date, level, below, tree, name, text, children_only, page, consistency } = list;
    let (view, after) = hub.revisions.page(caller, consistency, &page).await?;
    let forest = hub.reference::<Forest>(&view).await?;
    let after: i64 = after.and_then(|it| it.parse().ok()).unwrap_or(0);
    let below = match below {
        None => None,
        Some(named) => {
            let above = forest.resolve(&named, date, "below")?.id;
            Some(if children_only {
                forest.children(above, tree, date).into_iter().collect()
            } else {
                forest.descendants(above, tree, date)
            })
        }
    };
    let is_wanted = |unit: &&Unit| {
        unit.id > after
            && unit.span.contains(date)
            && level.is_none_or(|it| unit.level == it)
            && below.as_ref().is_none_or(|it| it.contains(&unit.id))
            && (name.is_empty() || fold::fold(&unit.name).contains(&name))
            && (text.is_empty() || fold::matches(&searched(unit, date), &text))
    };
    let items: Vec<Unit> = forest.all().filter(is_wanted).take(page.size() + 1).cloned().collect();
    let page = page.cut(items, &hub.mark(caller, &view), |last| last.id.to_string());
    Ok((view.revision, forest, page))
}

/// The text that a search by words reads: the name of a unit, and its codes on a day.
fn searched(unit: &Unit, day: Day) -> String {
    let codes = unit.codes.iter().filter(|it| it.span.contains(day));
    codes.fold(unit.name.clone(), |text, it| text + " " + &it.code)
}

/// A unit's lineage.
pub async fn trace(
    hub: &Hub,
    caller: &Caller,
    trace: Trace,
) -> Result<(Revision, Arc<Forest>, Unit, Lineage)> {
    let view = hub.revisions.view(caller, trace.consistency).await?;
    let forest = hub.reference::<Forest>(&view).await?;
    let unit = forest.resolve(&trace.unit, Day::today(), "unit")?.clone();
    let lineage = forest.trace(&unit, trace.date);
    Ok((view.revision, forest, unit, lineage))
}

// === rows in and out ===

/// A code or a link as the row of its unit holds it; days are numbers.
#[derive(Serialize, Deserialize)]
struct KeptCode(Scheme, String, i32, i32);

#[derive(Serialize, Deserialize)]
struct KeptParent(i32, i64, i32, i32);

fn unit_row(unit: &Unit) -> Result<unit::ActiveModel> {
    let Unit { id, level, name, span, codes, parents, made_at } = unit;
    let codes: Vec<_> = codes
        .iter()
        .map(|CodeSpan { scheme, code, span }| {
            KeptCode(scheme.clone(), code.clone(), span.from.number(), span.to.number())
        })
        .collect();
    let parents: Vec<_> = parents
        .iter()
        .map(|ParentSpan { tree, parent_id, span }| {
            KeptParent(tree.number(), *parent_id, span.from.number(), span.to.number())
        })
        .collect();
    Ok(unit::ActiveModel {
        id: Set(*id),
        level: Set(*level),
        name: Set(name.clone()),
        valid_from: Set(span.from),
        valid_to: Set(span.to),
        codes_json: Set(serde_json::to_string(&codes).map_err(Error::internal)?),
        parents_json: Set(serde_json::to_string(&parents).map_err(Error::internal)?),
        made_at: Set(*made_at),
        superseded_at: Set(None),
    })
}

fn succession_row(it: &Succession, made_at: i64) -> succession::ActiveModel {
    let Succession {
        predecessor_id,
        successor_id,
        effective,
        kind,
        transfer,
        weight,
        weight_basis,
        legal_act,
        source,
    } = it;
    succession::ActiveModel {
        predecessor_id: Set(*predecessor_id),
        successor_id: Set(successor_id.unwrap_or(0)),
        effective_day: Set(*effective),
        kind: Set(*kind),
        transfer: Set(*transfer),
        weight: Set(weight.clone()),
        weight_basis: Set(weight_basis.clone()),
        legal_act: Set(legal_act.clone()),
        source: Set(source.clone()),
        made_at: Set(made_at),
        superseded_at: Set(None),
    }
}

impl TryFrom<unit::Model> for Unit {
    type Error = Error;

    fn try_from(row: unit::Model) -> Result<Self> {
        let unit::Model {
            id,
            level,
            name,
            valid_from,
            valid_to,
            codes_json,
            parents_json,
            made_at,
            superseded_at: _,
        } = row;
        let codes: Vec<KeptCode> = serde_json::from_str(&codes_json).map_err(Error::internal)?;
        let parents: Vec<KeptParent> =
            serde_json::from_str(&parents_json).map_err(Error::internal)?;
        let span = |from, to| Span { from: Day::from_number(from), to: Day::from_number(to) };
        let parent = |KeptParent(tree, parent_id, from, to)| {
            let tree = Tree::of(tree).ok_or_else(|| Error::internal("an unknown tree is kept"))?;
            Ok(ParentSpan { tree, parent_id, span: span(from, to) })
        };
        Ok(Self {
            id,
            level,
            name,
            span: Span { from: valid_from, to: valid_to },
            codes: codes
                .into_iter()
                .map(|KeptCode(scheme, code, from, to)| CodeSpan {
                    scheme,
                    code,
                    span: span(from, to),
                })
                .collect(),
            parents: parents.into_iter().map(parent).collect::<Result<_>>()?,
            made_at,
        })
    }
}

impl From<succession::Model> for Succession {
    fn from(row: succession::Model) -> Self {
        let succession::Model {
            predecessor_id,
            successor_id,
            effective_day,
            kind,
            transfer,
            weight,
            weight_basis,
            legal_act,
            source,
            made_at: _,
            superseded_at: _,
        } = row;
        let successor_id = (successor_id != 0).then_some(successor_id);
        Self {
            predecessor_id,
            successor_id,
            effective: effective_day,
            kind,
            transfer,
            weight,
            weight_basis,
            legal_act,
            source,
        }
    }
}
