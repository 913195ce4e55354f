//! When something of a source was accepted last, to about a minute: not every write is a row more.
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use futures_util::{FutureExt, future::BoxFuture};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait,
    IntoActiveModel, QueryFilter, sea_query::OnConflict,
};

use crate::{
    error::Result,
    hub::row::source_activity::{Column, Entity, Model},
    revision::{Revision, unit_of_work::Buffered, write::Write},
    time::Timestamp,
};

/// A source's publish is written down unless one was in so many microseconds before it.
const EACH: i64 = 60_000_000;

/// When something was written down last, for each system, by this process.
#[derive(Debug, Default)]
pub struct SourceActivity(Mutex<HashMap<i64, Timestamp>>);

impl SourceActivity {
    /// Whether a publish is to be written down.
    pub fn is_due(&self, system_id: i64, now: Timestamp) -> bool {
        let written = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        written.get(&system_id).is_none_or(|last| now.micros() - last.micros() >= EACH)
    }

    /// A publish was committed that was written down if it was due.
    pub fn committed(&self, system_id: i64, now: Timestamp) {
        if self.is_due(system_id, now) {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(system_id, now);
        }
    }
}

/// What is to be written down in a commit: one row for each source.
#[derive(Default)]
struct PublishNotes {
    draft: Option<Model>,
    kept: HashMap<i64, Model>,
}

impl Buffered for PublishNotes {
    fn look_up<'a>(&'a mut self, _: &'a DatabaseTransaction) -> BoxFuture<'a, Result<()>> {
        async { Ok(()) }.boxed()
    }

    fn settle(&mut self, is_kept: bool) {
        if let Some(row) = self.draft.take().filter(|_| is_kept) {
            self.kept.insert(row.system_id, row);
        }
    }

    fn flush<'a>(&'a mut self, db: &'a DatabaseTransaction) -> BoxFuture<'a, Result<()>> {
        let rows: Vec<_> =
            self.kept.drain().map(|(_, it)| it.into_active_model().reset_all()).collect();
        async move {
            if rows.is_empty() {
                return Ok(());
            }
            let mut newer = OnConflict::column(Column::SystemId);
            newer.update_columns([Column::AcceptedAt, Column::Revision]);
            Entity::insert_many(rows).on_conflict(newer).exec_without_returning(db).await?;
            Ok(())
        }
        .boxed()
    }

    fn waiting(&self) -> usize {
        self.kept.len()
    }
}

/// Writes a source's publish down, with the rest of the commit.
pub async fn note(write: &Write, system_id: i64, revision: Revision) {
    let row = Model { system_id, accepted_at: write.revision.at, revision: revision.number };
    write.buffer().await.buffered::<PublishNotes>().draft = Some(row);
}

/// The last accepted publish of each of these systems, as far as it was written down.
#[expect(clippy::disallowed_methods, reason = "the door: times, for who may know of the system")]
pub async fn of(
    db: &impl ConnectionTrait,
    systems: impl IntoIterator<Item = i64>,
) -> Result<HashMap<i64, Model>> {
    let rows = Entity::find().filter(Column::SystemId.is_in(systems)).all(db).await?;
    Ok(rows.into_iter().map(|it| (it.system_id, it)).collect())
}
