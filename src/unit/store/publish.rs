//! Writes units and successions.
use std::sync::Arc;

use sea_orm::{ColumnTrait, Condition, EntityTrait};

use super::{succession_row, unit_row};
use crate::{
    caller::{Caller, directory::Directory},
    db::MOST_BINDS,
    error::{Error, Result, Violation},
    hub::{BatchOutcome, Hub, WriteOp},
    outcome::Outcome,
    revision::{receipt::ItemResult, touched::TouchedSet, versioned::supersede, write::Write},
    time::{Day, Span},
    unit::{
        CodeSpan, Entry, Level, ParentEntry, ParentSpan, Publish, Scheme, Succession,
        SuccessionEntry, Tree, Unit,
        forest::{Forest, spell},
        row::{succession, unit},
    },
};

/// Publishes units and successions.
impl WriteOp for Publish {
    type Output = BatchOutcome;

    async fn run(self, hub: &Hub, write: &Write, by: &Caller) -> Result<BatchOutcome> {
        let Publish { units, successions } = self;
        let mut draft = Draft {
            forest: hub.reference::<Forest>(write).await?.as_ref().clone(),
            systems: hub.reference::<Directory>(write).await?,
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
        hub.must_not_widen(write, by, &draft.forest).await?;
        draft.keep(write).await?;
        Ok(BatchOutcome::new(items, TouchedSet::UNITS))
    }
}

/// A forest that takes the entries of a write, and collects the rows to be written.
struct Draft {
    forest: Forest,
    /// The systems whose codes name schemes.
    systems: Arc<Directory>,
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

    /// The unit of an entry: the one with its id, else the one that bears one of its codes at the time.
    fn known(&self, entry: &Entry) -> Result<Option<i64>> {
        let mut known = entry.id;
        if let Some(id) = known
            && self.forest.get(id).is_none()
        {
            return Err(Error::not_found("unit", id).at("id"));
        }
        for (i, code) in entry.codes.iter().enumerate() {
            let span = code.span.cut(entry.span);
            if !self.is_known(&code.scheme) {
                let rule = "be `gso`, `agency`, or the code of a registered system";
                return Err(Error::field(format!("codes[{i}].scheme"), rule));
            }
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

    /// Whether somebody issues the codes of a scheme.
    fn is_known(&self, scheme: &Scheme) -> bool {
        *scheme == Scheme::gso()
            || *scheme == Scheme::agency()
            || self.systems.by_code(scheme.as_str()).is_some()
    }

    fn parents(
        &self,
        id: i64,
        level: Level,
        span: Span,
        entries: Vec<ParentEntry>,
    ) -> Result<Vec<ParentSpan>> {
        let mut parents: Vec<ParentSpan> = Vec::with_capacity(entries.len());
        for (i, ParentEntry { tree, parent, span: link }) in entries.into_iter().enumerate() {
            let link = link.cut(span);
            let day = if link.from == Day::FIRST { link.to } else { link.from };
            let above = self.forest.resolve(&parent, day, &format!("parents[{i}].parent"))?;
            let refuse = |rule: String| Err(Error::field(format!("parents[{i}].parent"), rule));
            if tree == Tree::Territory && level == Level::Facility {
                let rule = "be ADMINISTRATION: a facility has no territory";
                return Err(Error::field(format!("parents[{i}].tree"), rule));
            }
            if above.level == Level::Facility {
                return refuse(format!("be a locality or an agency; {} is a facility", above.name));
            }
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
        let Self { forest: _, systems: _, made_at, units, successions, ended, ended_successions } =
            self;
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
