//! What we ask the database about rejected items: they are kept for each source until they are sent right.
use std::collections::{BTreeMap, BTreeSet};

use futures_util::{FutureExt, future::BoxFuture};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, DatabaseTransaction, EntityTrait,
    IntoActiveModel, QueryFilter, QueryOrder, QuerySelect, Select,
    sea_query::{Alias, Expr, ExprTrait, OnConflict},
};

use crate::{
    error::{Error, Result},
    hub::row::rejection::{Column, Entity, Model},
    revision::{Revision, unit_of_work::Buffered, write::Write},
    time::Timestamp,
};

/// How long a rejection is kept at most, in microseconds: 90 days after the item was rejected last.
pub const KEPT: i64 = 90 * 86_400_000_000;
/// Rejections kept of one source, at most: of more, those that were rejected longest ago go. One that sends the same
/// wrong file in new words each day does not fill the store.
const MOST_OF_A_SOURCE: u64 = 10_000;
/// Rows in one statement.
const CHUNK: usize = 1_000;
/// Characters of a message, and bad fields of an item, that are kept at most.
const MOST: (usize, usize) = (1_000, 20);

/// The one door: the rejected items of a system, which are for itself and for those who may see the records of others.
#[expect(clippy::disallowed_methods, reason = "this is the door")]
fn visible(system_id: i64) -> Select<Entity> {
    let since = Timestamp::from_micros(Timestamp::now().micros() - KEPT);
    Entity::find().filter(Column::SystemId.eq(system_id)).filter(Column::LastAt.gt(since))
}

/// What names a rejected item: system, list, item.
type ItemName = (i64, String, String);

/// What the writes of a commit do to rejected items. They are written with the rest of what is buffered: a write that
/// came to the tables in its midst would part the versions that it makes from those of the writes before it.
#[derive(Default)]
struct RejectionNotes {
    /// What the write that runs rejects, and what it sends right.
    draft: (Vec<Model>, Vec<ItemName>),
    kept: BTreeMap<ItemName, Model>,
    gone: BTreeSet<ItemName>,
}

fn name(row: &Model) -> ItemName {
    (row.system_id, row.list.clone(), row.item.clone())
}

impl Buffered for RejectionNotes {
    fn look_up<'a>(&'a mut self, _: &'a DatabaseTransaction) -> BoxFuture<'a, Result<()>> {
        async { Ok(()) }.boxed()
    }

    fn settle(&mut self, is_kept: bool) {
        let (rejected, right) = std::mem::take(&mut self.draft);
        if !is_kept {
            return;
        }
        for name in right {
            self.kept.remove(&name);
            self.gone.insert(name);
        }
        for mut row in rejected {
            if let Some(earlier) = self.kept.get(&name(&row)) {
                row.times += earlier.times;
                row.first_at = earlier.first_at;
            }
            self.kept.insert(name(&row), row);
        }
    }

    fn flush<'a>(&'a mut self, db: &'a DatabaseTransaction) -> BoxFuture<'a, Result<()>> {
        let gone = std::mem::take(&mut self.gone);
        let rows: Vec<_> = std::mem::take(&mut self.kept).into_values().collect();
        async move {
            // What was sent right, and then wrong again, is rejected anew.
            delete(db, gone).await?;
            for rows in rows.chunks(CHUNK) {
                let rows = rows.iter().map(|it| it.clone().into_active_model().reset_all());
                let insert = Entity::insert_many(rows).on_conflict(again());
                insert.exec_without_returning(db).await?;
            }
            let systems: BTreeSet<_> = rows.iter().map(|it| it.system_id).collect();
            for system_id in systems {
                cap(db, system_id).await?;
            }
            Ok(())
        }
        .boxed()
    }

    fn waiting(&self) -> usize {
        self.kept.len() + self.gone.len()
    }
}

/// What becomes of a row that is there.
fn again() -> OnConflict {
    let sum =
        Expr::col((Entity, Column::Times)).add(Expr::col((Alias::new("excluded"), Column::Times)));
    let mut again = OnConflict::columns([Column::SystemId, Column::List, Column::Item]);
    again.value(Column::Times, sum);
    again.update_columns([
        Column::Reason,
        Column::Message,
        Column::Fields,
        Column::LastAt,
        Column::Revision,
    ]);
    again
}

#[expect(clippy::disallowed_methods, reason = "a rejection ends when its item is sent right")]
async fn delete(db: &DatabaseTransaction, names: BTreeSet<ItemName>) -> Result<()> {
    let mut lists: BTreeMap<(i64, String), Vec<String>> = BTreeMap::new();
    for (system_id, list, item) in names {
        lists.entry((system_id, list)).or_default().push(item);
    }
    for ((system_id, list), items) in lists {
        for items in items.chunks(CHUNK) {
            Entity::delete_many()
                .filter(Column::SystemId.eq(system_id))
                .filter(Column::List.eq(list.as_str()))
                .filter(Column::Item.is_in(items))
                .exec(db)
                .await?;
        }
    }
    Ok(())
}

/// Deletes what a system has more than [`MOST_OF_A_SOURCE`] of.
#[expect(
    clippy::disallowed_methods,
    reason = "a rejection ends when there are too many newer ones"
)]
async fn cap(db: &DatabaseTransaction, system_id: i64) -> Result<()> {
    let own = Entity::find().filter(Column::SystemId.eq(system_id));
    let newest = own.order_by_desc(Column::LastAt).order_by_desc(Column::List);
    let too_many = newest.order_by_desc(Column::Item).offset(MOST_OF_A_SOURCE).limit(1);
    let Some(Model { last_at, list, item, .. }) = too_many.one(db).await? else { return Ok(()) };
    let before_in_list =
        Condition::all().add(Column::List.eq(list.as_str())).add(Column::Item.lte(item));
    let before_then = Condition::any().add(Column::List.lt(list)).add(before_in_list);
    let then = Condition::all().add(Column::LastAt.eq(last_at)).add(before_then);
    Entity::delete_many()
        .filter(Column::SystemId.eq(system_id))
        .filter(Condition::any().add(Column::LastAt.lt(last_at)).add(then))
        .exec(db)
        .await?;
    Ok(())
}

/// Keeps the items that were refused, in the commit of those beside them that were kept; says whether there are any.
/// An error that does not say which item it is about is not kept.
pub async fn keep(
    write: &Write,
    system_id: i64,
    list: &str,
    revision: Revision,
    refused: &[Error],
) -> Result<bool> {
    let at = write.revision.at;
    let mut rows = Vec::new();
    for err in refused {
        let Some(item) = err.item() else { continue };
        let (characters, fields) = MOST;
        let bad = err.violations().iter().take(fields).map(|it| (&it.field, &it.rule));
        rows.push(Model {
            system_id,
            list: list.to_owned(),
            item: item.to_owned(),
            reason: err.reason().into(),
            message: plain(err.message(), characters),
            fields: serde_json::to_string(&bad.collect::<Vec<_>>()).map_err(Error::internal)?,
            times: 1,
            first_at: at,
            last_at: at,
            revision: revision.number,
        });
    }
    let is_any = !rows.is_empty();
    if is_any {
        write.buffer().await.buffered::<RejectionNotes>().draft.0.extend(rows);
    }
    Ok(is_any)
}

/// What engines keep alike: no control characters.
fn plain(text: &str, most: usize) -> String {
    text.chars().take(most).map(|it| if it.is_control() { ' ' } else { it }).collect()
}

/// Whether a system has rejected items in a list.
pub async fn any(write: &Write, system_id: i64, list: &str) -> Result<bool> {
    let waits = {
        let mut buffer = write.buffer().await;
        let names = buffer.buffered::<RejectionNotes>().kept.keys();
        names.into_iter().any(|it| it.0 == system_id && it.1 == list)
    };
    let own = visible(system_id).filter(Column::List.eq(list));
    Ok(waits || own.one(write.before()).await?.is_some())
}

/// Forgets items that were sent right, with the rest of the commit.
pub async fn forget(write: &Write, system_id: i64, list: &str, items: Vec<String>) {
    let named = items.into_iter().map(|it| (system_id, list.to_owned(), it));
    write.buffer().await.buffered::<RejectionNotes>().draft.1.extend(named);
}

/// A system's rejected items, in the order of list and item, after one; those that were rejected at or after an
/// instant.
pub async fn page(
    db: &impl ConnectionTrait,
    system_id: i64,
    since: Option<Timestamp>,
    after: Option<(&str, &str)>,
    limit: u64,
) -> Result<Vec<Model>> {
    let mut rows = visible(system_id);
    if let Some(since) = since {
        rows = rows.filter(Column::LastAt.gte(since));
    }
    if let Some((list, item)) = after {
        let later = Condition::all().add(Column::List.eq(list)).add(Column::Item.gt(item));
        rows = rows.filter(Condition::any().add(Column::List.gt(list)).add(later));
    }
    let rows = rows.order_by_asc(Column::List).order_by_asc(Column::Item).limit(limit);
    Ok(rows.all(db).await?)
}
