//! What we ask the database about rejected items: they are kept for each source until they are sent right.
use std::collections::BTreeMap;

use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    Select,
    sea_query::{Alias, Expr, ExprTrait, OnConflict},
};

use crate::{
    error::{Error, Result},
    hub::row::rejection::{ActiveModel, Column, Entity, Model},
    revision::{Revision, write::Write},
    time::Timestamp,
};

/// How long a rejection is kept at most, in microseconds: 90 days after the item was rejected last.
pub const KEPT: i64 = 90 * 86_400_000_000;
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

/// Keeps the items that were refused, in the commit of those beside them that were kept; says whether there are any.
/// An error that does not say which item it is about is not kept.
pub async fn keep(
    write: &Write,
    system_id: i64,
    list: &str,
    revision: Revision,
    refused: &[Error],
) -> Result<bool> {
    // An item that is sent twice in one batch is one row.
    let mut items: BTreeMap<&str, (&Error, i64)> = BTreeMap::new();
    for err in refused {
        if let Some(item) = err.item() {
            let (last, times) = items.entry(item).or_insert((err, 0));
            (*last, *times) = (err, *times + 1);
        }
    }
    let is_any = !items.is_empty();
    let at = write.revision.at;
    let mut rows = Vec::with_capacity(items.len());
    for (item, (err, times)) in items {
        let (characters, fields) = MOST;
        let bad = err.violations().iter().take(fields).map(|it| (&it.field, &it.rule));
        let bad = serde_json::to_string(&bad.collect::<Vec<_>>()).map_err(Error::internal)?;
        rows.push(ActiveModel {
            system_id: Set(system_id),
            list: Set(list.to_owned()),
            item: Set(item.to_owned()),
            reason: Set(err.reason().into()),
            message: Set(plain(err.message(), characters)),
            fields: Set(bad),
            times: Set(times),
            first_at: Set(at),
            last_at: Set(at),
            revision: Set(revision.number),
        });
    }
    let again = || {
        let sum = Expr::col((Entity, Column::Times))
            .add(Expr::col((Alias::new("excluded"), Column::Times)));
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
    };
    for rows in rows.chunks(CHUNK) {
        let insert = Entity::insert_many(rows.to_vec()).on_conflict(again());
        insert.exec_without_returning(&write.db).await?;
    }
    Ok(is_any)
}

/// What engines keep alike: no control characters.
fn plain(text: &str, most: usize) -> String {
    text.chars().take(most).map(|it| if it.is_control() { ' ' } else { it }).collect()
}

/// Whether a system has rejected items in a list. It does not see those of other writes of the same commit.
pub async fn any(write: &Write, system_id: i64, list: &str) -> Result<bool> {
    let own = visible(system_id).filter(Column::List.eq(list));
    Ok(own.one(write.before()).await?.is_some())
}

/// Forgets items that were sent right; says whether there were any.
#[expect(clippy::disallowed_methods, reason = "a rejection ends when its item is sent right")]
pub async fn forget(write: &Write, system_id: i64, list: &str, items: Vec<String>) -> Result<bool> {
    let mut rows = 0;
    for items in items.chunks(CHUNK) {
        let delete = Entity::delete_many()
            .filter(Column::SystemId.eq(system_id))
            .filter(Column::List.eq(list))
            .filter(Column::Item.is_in(items));
        rows += delete.exec(&write.db).await?.rows_affected;
    }
    Ok(rows > 0)
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
