//! Loads, reads and writes procedures.
use std::{collections::HashSet, sync::Arc};

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::{CHUNK, standing as standing_dossiers};
use crate::{
    caller::Caller,
    db::MOST_BINDS,
    dossier::{
        Procedure, ProcedureCode,
        catalogue::Catalogue,
        queries::{Define, GetProcedure, ListProcedures, ProcedureEntry},
        row::{dossier, of_procedure, procedure},
    },
    error::{Error, Reason, Result},
    hub::{BatchOutcome, Hub, WriteOp, reference::Reference},
    outcome::Outcome,
    page::Paged,
    revision::{
        ReferenceData, Revision, Stretch,
        receipt::ItemResult,
        touched::TouchedSet,
        versioned::{every, standing, supersede},
        withdrawal::Withdrawal,
        write::Write,
    },
};

/// The one door to procedures: those that stood at a revision. Every identified caller may see them.
fn visible(number: i64) -> sea_orm::Select<procedure::Entity> {
    standing(number)
}

/// The same door, with the versions that were superseded by then.
fn every_version(number: i64) -> sea_orm::Select<procedure::Entity> {
    every(number)
}

/// The versions that a stretch of revisions made.
pub(super) async fn made(
    db: &impl ConnectionTrait,
    stretch: &Stretch,
) -> Result<Vec<procedure::Model>> {
    use procedure::Column::{Id, MadeAt};
    let Stretch { after, through, key, limit } = stretch;
    let mut rows = every_version(*through).filter(MadeAt.gt(*after));
    if let Some(id) = key.as_deref().and_then(|it| it.parse::<i64>().ok()) {
        rows = rows.filter(Id.gt(id));
    }
    Ok(rows.order_by_asc(MadeAt).order_by_asc(Id).limit(*limit).all(db).await?)
}

impl Reference for Catalogue {
    const WHICH: ReferenceData = ReferenceData::Procedures;

    /// Loads every procedure as it stood at a revision.
    async fn load(db: &impl ConnectionTrait, number: i64) -> Result<Self> {
        use procedure::Column::{Id, MadeAt, WithdrawalReason};
        let read = |rows: Vec<procedure::Model>| {
            rows.into_iter().map(Procedure::try_from).collect::<Result<Vec<_>>>()
        };
        let rows = visible(number).order_by_asc(Id).all(db).await?;
        let gone = every::<procedure::Entity>(number).filter(WithdrawalReason.is_not_null());
        let gone = gone.order_by_asc(MadeAt).all(db).await?;
        Ok(Catalogue::new(read(rows)?, read(gone)?))
    }
}

/// One procedure.
pub async fn get(hub: &Hub, caller: &Caller, get: GetProcedure) -> Result<(Revision, Procedure)> {
    let GetProcedure { code, source, consistency } = get;
    let view = hub.revisions.view(caller, consistency).await?;
    let catalogue = hub.reference::<Catalogue>(&view).await?;
    let found = match source.as_str() {
        "" => catalogue.by_code(&code),
        source => catalogue.by_alias(source, &code),
    };
    let found = found.ok_or_else(|| Error::not_found("procedure", &code))?;
    Ok((view.revision, found.clone()))
}

/// A page of procedures.
pub async fn list(
    hub: &Hub,
    caller: &Caller,
    list: ListProcedures,
) -> Result<(Revision, Paged<Procedure>)> {
    let ListProcedures { field_code, page, consistency } = list;
    let (view, after) = hub.revisions.page(caller, consistency, &page).await?;
    let catalogue: Arc<Catalogue> = hub.reference::<Catalogue>(&view).await?;
    let items: Vec<_> = catalogue
        .after(&after.unwrap_or_default())
        .filter(|it| field_code.is_empty() || it.field_code == field_code)
        .take(page.size() + 1)
        .cloned()
        .collect();
    let page = page.cut(items, &hub.mark(caller, &view), |last| last.code.as_str().to_owned());
    Ok((view.revision, page))
}

/// Publishes procedures.
impl WriteOp for Define {
    type Output = BatchOutcome;

    async fn run(self, hub: &Hub, write: &Write, by: &Caller) -> Result<BatchOutcome> {
        let Define(procedures) = self;
        let mut draft = CatalogueDraft {
            catalogue: hub.reference::<Catalogue>(write).await?.as_ref().clone(),
            made_at: write.revision.number,
            put: Vec::new(),
            ended: Vec::new(),
        };
        let items = procedures.into_iter().map(|it| draft.put(it?)).collect();
        hub.must_not_widen(write, by, &draft.catalogue).await?;
        draft.keep(write, None).await?;
        Ok(BatchOutcome::new(items, TouchedSet::PROCEDURES))
    }
}

/// Withdraws procedures of which there are no dossiers.
impl WriteOp for Withdrawal<ProcedureCode> {
    type Output = BatchOutcome;

    async fn run(self, hub: &Hub, write: &Write, _: &Caller) -> Result<BatchOutcome> {
        let Withdrawal { keys, reason } = self;
        let catalogue = hub.reference::<Catalogue>(write).await?;
        let named = keys.iter().flatten().filter_map(|it| catalogue.by_code(it.as_str()));
        let in_use = in_use(write, named.map(|it| it.id).collect()).await?;
        let mut draft = CatalogueDraft {
            catalogue: catalogue.as_ref().clone(),
            made_at: write.revision.number,
            put: Vec::new(),
            ended: Vec::new(),
        };
        let items = keys.into_iter().map(|it| draft.withdraw(&it?, &in_use)).collect();
        draft.keep(write, Some(&reason)).await?;
        Ok(BatchOutcome::new(items, TouchedSet::PROCEDURES))
    }
}

/// Which of these procedures have dossiers.
async fn in_use(write: &Write, procedures: Vec<i64>) -> Result<HashSet<i64>> {
    use dossier::Column::ProcedureId;
    let mut found = HashSet::new();
    for ids in procedures.chunks(CHUNK) {
        let rows: Vec<i64> = standing_dossiers(write.head.newest.number)
            .filter(ProcedureId.is_in(ids.iter().copied()))
            .select_only()
            .column(ProcedureId)
            .distinct()
            .into_tuple()
            .all(&write.db)
            .await?;
        found.extend(rows);
    }
    Ok(found)
}

/// A catalogue that takes the procedures of a write, and collects the rows to be written.
struct CatalogueDraft {
    catalogue: Catalogue,
    made_at: i64,
    put: Vec<Procedure>,
    ended: Vec<i64>,
}

impl CatalogueDraft {
    fn withdraw(&mut self, code: &ProcedureCode, in_use: &HashSet<i64>) -> Result<ItemResult> {
        let Some(known) = self.catalogue.by_code(code.as_str()) else {
            return match self.catalogue.withdrawn(code.as_str()) {
                Some(_) => Ok(ItemResult::new(Outcome::Unchanged, 0)),
                None => Err(Error::not_found("procedure", code.as_str())),
            };
        };
        let id = known.id;
        if in_use.contains(&id) {
            let what = format!("there are dossiers of `{}`; withdraw them first", code.as_str());
            return Err(Error::new(Reason::ProcedureInUse, what));
        }
        self.put.push(Procedure { made_at: self.made_at, ..known.clone() });
        self.ended.push(id);
        self.catalogue.withdraw(id);
        Ok(ItemResult::new(Outcome::Corrected, 0))
    }

    fn put(&mut self, entry: ProcedureEntry) -> Result<ItemResult> {
        let ProcedureEntry { procedure, expected } = entry;
        let known = self.catalogue.by_code(procedure.code.as_str());
        // It keeps its old id, so that agreements about it cover it again.
        let before = known.or_else(|| self.catalogue.withdrawn(procedure.code.as_str()));
        let id = before.map_or_else(|| self.catalogue.next_id(), |it| it.id);
        let procedure = Procedure { id, made_at: self.made_at, ..procedure };
        let outcome = match known {
            None => Outcome::Created,
            Some(old) if *old == (Procedure { made_at: old.made_at, ..procedure.clone() }) => {
                return Ok(ItemResult::new(Outcome::Unchanged, 0));
            }
            Some(old) if old.made_at == self.made_at => {
                return Err(Error::field("code", "not stand in this batch twice"));
            }
            Some(_) => Outcome::Corrected,
        };
        let standing = known.map_or(0, |it| it.made_at);
        expected.check("procedure", procedure.code.as_str(), standing)?;
        for (i, it) in procedure.aliases.iter().enumerate() {
            let taken = self.catalogue.by_alias(&it.source, &it.alias).filter(|it| it.id != id);
            if let Some(taken) = taken {
                let rule = format!(
                    "not be an alias of another procedure: it is one of `{}`",
                    taken.code.as_str()
                );
                return Err(Error::field(format!("aliases[{i}].alias"), rule));
            }
        }
        if outcome == Outcome::Corrected {
            self.ended.push(id);
        }
        self.catalogue.put(procedure.clone());
        self.put.push(procedure);
        Ok(ItemResult::new(outcome, 0))
    }

    async fn keep(self, write: &Write, withdrawal_reason: Option<&str>) -> Result<()> {
        let Self { catalogue: _, made_at: _, put, ended } = self;
        for ids in ended.chunks(MOST_BINDS / 2) {
            let which = procedure::Column::Id.is_in(ids.iter().copied());
            supersede::<procedure::Entity>(write, which).await?;
        }
        for chunk in put.chunks(MOST_BINDS / 13) {
            let rows = chunk.iter().map(|it| of_procedure(it, withdrawal_reason));
            let rows = rows.collect::<Result<Vec<_>>>()?;
            procedure::Entity::insert_many(rows).exec_without_returning(&write.db).await?;
        }
        Ok(())
    }
}
