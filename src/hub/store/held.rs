//! What we ask the database about held changes: they are kept as they were asked for until an administrator decides.
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter,
    QueryOrder, QuerySelect, Select, sea_query::Expr,
};

use crate::{
    error::{Error, Reason, Result},
    hub::row::held_change::{ActiveModel, Column, Entity, HeldKind, HeldState, Model},
    revision::write::Write,
};

/// Changes of one system that wait, at most: a further one is refused and not kept.
const MOST_WAITING: u64 = 100;

/// The one door: every held change. They are for administrators alone.
#[expect(clippy::disallowed_methods, reason = "this is the door")]
fn visible() -> Select<Entity> {
    Entity::find()
}

/// Keeps a change that waits, and says its number. The same change of the same system that waits already is one with
/// it; none where too many wait.
pub async fn keep(
    write: &Write,
    system_id: i64,
    kind: HeldKind,
    request: Vec<u8>,
    opens: &[String],
) -> Result<Option<i64>> {
    let waiting = visible()
        .filter(Column::SystemId.eq(system_id))
        .filter(Column::State.eq(HeldState::Waiting));
    let same = waiting.clone().filter(Column::Kind.eq(kind));
    let same = same.filter(Column::Request.eq(request.clone())).one(&write.db).await?;
    if let Some(it) = same {
        return Ok(Some(it.id));
    }
    if waiting.count(&write.db).await? >= MOST_WAITING {
        return Ok(None);
    }
    let last = visible().order_by_desc(Column::Id).select_only().column(Column::Id).limit(1);
    let last: Option<i64> = last.into_tuple().one(&write.db).await?;
    let id = last.unwrap_or(0) + 1;
    let row = ActiveModel {
        id: Set(id),
        system_id: Set(system_id),
        kind: Set(kind),
        request: Set(request),
        opens: Set(serde_json::to_string(opens).map_err(Error::internal)?),
        held_at: Set(write.revision.at),
        state: Set(HeldState::Waiting),
        decided_by: Set(None),
        decided_at: Set(None),
        reason: Set(String::new()),
    };
    Entity::insert(row).exec_without_returning(&write.db).await?;
    Ok(Some(id))
}

/// A held change.
pub async fn find(db: &impl ConnectionTrait, id: i64) -> Result<Model> {
    let found = visible().filter(Column::Id.eq(id)).one(db).await?;
    found.ok_or_else(|| Error::not_found("held change", id).at("id"))
}

/// Decides a change that waits; one that was decided is refused.
#[expect(clippy::disallowed_methods, reason = "a held change has a state, and no versions")]
pub async fn decide(
    write: &Write,
    id: i64,
    state: HeldState,
    by: i64,
    reason: &str,
) -> Result<Model> {
    let decided = Entity::update_many()
        .col_expr(Column::State, Expr::value(state))
        .col_expr(Column::DecidedBy, Expr::value(by))
        .col_expr(Column::DecidedAt, Expr::value(write.revision.at))
        .col_expr(Column::Reason, Expr::value(reason))
        .filter(Column::Id.eq(id))
        .filter(Column::State.eq(HeldState::Waiting))
        .exec(&write.db)
        .await?;
    let change = find(&write.db, id).await?;
    if decided.rows_affected == 0 {
        let what = format!("the held change {id} was decided before: {:?}", change.state);
        return Err(Error::new(Reason::ChangeDecided, what).at("id"));
    }
    Ok(change)
}

/// Held changes after one, by their numbers.
pub async fn page(
    db: &impl ConnectionTrait,
    state: Option<HeldState>,
    after: i64,
    limit: u64,
) -> Result<Vec<Model>> {
    let mut rows = visible().filter(Column::Id.gt(after));
    if let Some(state) = state {
        rows = rows.filter(Column::State.eq(state));
    }
    Ok(rows.order_by_asc(Column::Id).limit(limit).all(db).await?)
}
