//! What we ask the database about units, and how it takes new ones.
pub mod reference;

use std::sync::Arc;

use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter,
    QueryOrder, QuerySelect,
};
use serde::{Deserialize, Serialize};

use super::{
    CodeSpan, Entry, Get, List, ParentEntry, ParentSpan, Publish, Scheme, Succession,
    SuccessionEntry, Trace, Tree, Unit,
    forest::{Forest, Lineage, spell},
    row::{succession, unit},
};
use crate::{
    caller::Caller,
    db::MOST_BINDS,
    error::{Error, Result, Violation},
    fold::fold,
    hub::{BatchOutcome, Hub, WriteOp, reference::Reference},
    outcome::Outcome,
    page::Paged,
    revision::touched::TouchedSet,
    revision::versioned::{every, standing, supersede},
    revision::{ReferenceData, Revision, Stretch, receipt::ItemResult, write::Write},
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

/// The one door to successions, likewise.
fn visible_successions(number: i64) -> sea_orm::Select<succession::Entity> {
    standing(number)
}

impl Reference for Forest {
    const WHICH: ReferenceData = ReferenceData::Units;

    /// Loads every unit and succession as they stood at a revision, some at a time: rows take several times the room
    /// of what is kept of them, and what was once taken stays with the process.
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
    let List { date, level, below, tree, name, children_only, page, consistency } = list;
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
            && (name.is_empty() || fold(&unit.name).contains(&name))
    };
    let items: Vec<Unit> = forest.all().filter(is_wanted).take(page.size() + 1).cloned().collect();
    let page = page.cut(items, &hub.mark(caller, &view), |last| last.id.to_string());
    Ok((view.revision, forest, page))
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

/// Keeps units and successions.
impl WriteOp for Publish {
    type Output = BatchOutcome;

    async fn run(self, hub: &Hub, write: &Write, _: &Caller) -> Result<BatchOutcome> {
        let Publish { units, successions } = self;
        let mut draft = Draft {
            forest: hub.reference::<Forest>(write).await?.as_ref().clone(),
            made_at: write.revision.number,
            units: Vec::new(),
            successions: Vec::new(),
            ended: Vec::new(),
            ended_successions: Vec::new(),
        };
        let mut items = Vec::with_capacity(units.len() + successions.len());
        for entry in units {
            items.push(entry.and_then(|it| draft.unit(it)));
        }
        for entry in successions {
            items.push(entry.and_then(|it| draft.succession(it)));
        }
        draft.keep(write).await?;
        Ok(BatchOutcome { items, touched: TouchedSet::UNITS })
    }
}

/// A forest that takes entries, and remembers what must be written.
struct Draft {
    forest: Forest,
    made_at: i64,
    units: Vec<Unit>,
    successions: Vec<Succession>,
    ended: Vec<i64>,
    ended_successions: Vec<(i64, i64, Day)>,
}

impl Draft {
    fn unit(&mut self, entry: Entry) -> Result<ItemResult> {
        let known = self.known(&entry)?;
        let Entry { id: _, level, name, span, codes, parents, expected } = entry;
        let id = known.unwrap_or_else(|| self.forest.next_id());
        let codes: Vec<_> =
            codes.into_iter().map(|it| CodeSpan { span: it.span.cut(span), ..it }).collect();
        let parents = self.parents(id, level, span, parents)?;
        let made_at = self.made_at;
        let unit = Unit { id, level, name, span, codes, parents, made_at };
        let outcome = match self.forest.get(id) {
            None => Outcome::Created,
            Some(old) if *old == (Unit { made_at: old.made_at, ..unit.clone() }) => {
                return Ok(ItemResult::new(Outcome::Unchanged, id));
            }
            Some(old) if old.made_at == made_at => {
                return Err(Error::field("codes", "name a unit that is not in this batch twice"));
            }
            Some(_) => Outcome::Corrected,
        };
        let standing = self.forest.get(id).map_or(0, |it| it.made_at);
        expected.check("unit", &unit.name, standing)?;
        if outcome == Outcome::Corrected {
            self.ended.push(id);
        }
        self.forest.put(unit.clone());
        self.units.push(unit);
        Ok(ItemResult::new(outcome, id))
    }

    /// The unit that an entry is about: the one with its id, or else the one that bears one of its codes at the time.
    fn known(&self, entry: &Entry) -> Result<Option<i64>> {
        let mut known = entry.id;
        if let Some(id) = known
            && self.forest.get(id).is_none()
        {
            return Err(Error::not_found("unit", id).at("id"));
        }
        for (i, code) in entry.codes.iter().enumerate() {
            let span = code.span.cut(entry.span);
            if span.is_empty() {
                let rule = "be borne on some day on which the unit is valid";
                return Err(Error::field(format!("codes[{i}].valid_from"), rule));
            }
            for (taken, bearer) in self.forest.bearers(&code.scheme, &code.code) {
                if !taken.overlaps(span) {
                    continue;
                }
                if known.is_some_and(|it| it != *bearer) {
                    let name = self.forest.name(*bearer).name;
                    let rule =
                        format!("not be borne by another unit: {name} bears it {}", spell(*taken));
                    return Err(Error::field(format!("codes[{i}].code"), rule));
                }
                known = Some(*bearer);
            }
        }
        Ok(known)
    }

    fn parents(
        &self,
        id: i64,
        level: super::Level,
        span: Span,
        entries: Vec<ParentEntry>,
    ) -> Result<Vec<ParentSpan>> {
        let mut parents: Vec<ParentSpan> = Vec::with_capacity(entries.len());
        for (i, ParentEntry { tree, parent, span: link }) in entries.into_iter().enumerate() {
            let link = link.cut(span);
            let day = if link.from == Day::FIRST { link.to } else { link.from };
            let above = self.forest.resolve(&parent, day, &format!("parents[{i}].parent"))?;
            let refuse = |rule: String| Err(Error::field(format!("parents[{i}].parent"), rule));
            if tree == Tree::Territory && above.level >= level {
                return refuse(format!("be of a higher level; {} is not", above.name));
            }
            if above.id == id || self.forest.ancestors(above.id, tree, day).contains(&id) {
                return refuse("not lie below the unit itself".to_owned());
            }
            if link.is_empty() || link.cut(above.span) != link {
                let valid = spell(above.span);
                return refuse(format!("be valid as long as the link; {} is {valid}", above.name));
            }
            if parents.iter().any(|it| it.tree == tree && it.span.overlaps(link)) {
                return refuse("be the only one in its tree on each day".to_owned());
            }
            parents.push(ParentSpan { tree, parent_id: above.id, span: link });
        }
        Ok(parents)
    }

    fn succession(&mut self, entry: SuccessionEntry) -> Result<ItemResult> {
        let SuccessionEntry {
            predecessor,
            successor,
            kind,
            effective,
            transfer,
            weight,
            weight_basis,
            legal_act,
            source,
        } = entry;
        let before = self.forest.resolve(&predecessor, effective.previous(), "predecessor")?.id;
        let after = match successor {
            None => None,
            Some(it) => Some(self.forest.resolve(&it, effective, "successor")?.id),
        };
        if after == Some(before) {
            return Err(Error::field("successor", "be another unit than the predecessor"));
        }
        let succession = Succession {
            predecessor_id: before,
            successor_id: after,
            effective,
            kind,
            transfer,
            weight,
            weight_basis,
            legal_act,
            source,
        };
        let key = (before, after.unwrap_or(0), effective);
        let outcome = match self.forest.succession(before, after, effective) {
            None => Outcome::Created,
            Some(old) if *old == succession => {
                return Ok(ItemResult::new(Outcome::Unchanged, 0));
            }
            Some(_) if self.successions.iter().any(|it| key_of(it) == key) => {
                let rule = "not stand in this batch twice";
                return Err(Error::fields(vec![Violation::new("predecessor", rule)]));
            }
            Some(_) => {
                self.ended_successions.push(key);
                Outcome::Corrected
            }
        };
        self.forest.put_succession(succession.clone());
        self.successions.push(succession);
        Ok(ItemResult::new(outcome, 0))
    }

    async fn keep(self, write: &Write) -> Result<()> {
        let Self { forest: _, made_at, units, successions, ended, ended_successions } = self;
        for id in ended {
            supersede::<unit::Entity>(write, unit::Column::Id.eq(id)).await?;
        }
        for (before, after, effective) in ended_successions {
            use succession::Column::{EffectiveDay, PredecessorId, SuccessorId};
            let which = Condition::all()
                .add(PredecessorId.eq(before))
                .add(SuccessorId.eq(after))
                .add(EffectiveDay.eq(effective));
            supersede::<succession::Entity>(write, which).await?;
        }
        for chunk in units.chunks(MOST_BINDS / 9) {
            let rows = chunk.iter().map(unit_row).collect::<Result<Vec<_>>>()?;
            unit::Entity::insert_many(rows).exec_without_returning(&write.db).await?;
        }
        for chunk in successions.chunks(MOST_BINDS / 11) {
            let rows = chunk.iter().map(|it| succession_row(it, made_at));
            succession::Entity::insert_many(rows).exec_without_returning(&write.db).await?;
        }
        Ok(())
    }
}

fn key_of(it: &Succession) -> (i64, i64, Day) {
    (it.predecessor_id, it.successor_id.unwrap_or(0), it.effective)
}

// === rows in and out ===

/// How a code or a link is kept inside its unit's row; days as numbers.
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
