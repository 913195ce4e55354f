//! What we ask the database about loads: how far they have come, and which stream carries them on.
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, sea_query::Expr};

use super::{
    Claim,
    row::{ActiveModel, Column, Entity, Model},
};
use crate::{
    error::{Error, Reason, Result},
    revision::{Revision, write::Write},
};

/// The door: a system's own loads.
#[expect(clippy::disallowed_methods, reason = "this is the door")]
async fn find(write: &Write, system_id: i64, name: &str) -> Result<Option<Model>> {
    let own = Entity::find().filter(Column::SystemId.eq(system_id)).filter(Column::Load.eq(name));
    Ok(own.one(&write.db).await?)
}

#[expect(clippy::disallowed_methods, reason = "a position is changed in place")]
async fn set(
    write: &Write,
    (system_id, name): (i64, &str),
    values: [(Column, i64); 2],
) -> Result<()> {
    let mut update = Entity::update_many()
        .col_expr(Column::MovedAt, Expr::value(write.revision.at.micros()))
        .filter(Column::SystemId.eq(system_id))
        .filter(Column::Load.eq(name));
    for (column, value) in values {
        update = update.col_expr(column, Expr::value(value));
    }
    update.exec(&write.db).await?;
    Ok(())
}

/// Opens a load: which opening this is, and the last item that is durable.
pub(super) async fn open(write: &Write, system_id: i64, name: &str) -> Result<(i64, i64)> {
    if let Some(Model { item, opening, revision, system_id: _, load: _, moved_at: _ }) =
        find(write, system_id, name).await?
    {
        let opened = [(Column::Opening, opening + 1), (Column::Revision, revision)];
        set(write, (system_id, name), opened).await?;
        return Ok((opening + 1, item));
    }
    let row = ActiveModel {
        system_id: Set(system_id),
        load: Set(name.to_owned()),
        item: Set(0),
        revision: Set(write.head.newest.number),
        moved_at: Set(write.revision.at.micros()),
        opening: Set(1),
    };
    Entity::insert(row).exec_without_returning(&write.db).await?;
    Ok((1, 0))
}

/// Refuses unless the load was not opened again since.
pub(super) async fn must_hold(write: &Write, claim: &Claim) -> Result<()> {
    let Claim { system_id, name, opening } = claim;
    match find(write, *system_id, name).await? {
        Some(row) if row.opening == *opening => Ok(()),
        Some(_) | None => {
            let what = "another stream has opened this load since, and carries it on";
            Err(Error::new(Reason::LoadTaken, what))
        }
    }
}

/// Notes how far a load has come.
pub(super) async fn advance(
    write: &Write,
    claim: &Claim,
    through: i64,
    revision: Revision,
) -> Result<()> {
    let values = [(Column::Item, through), (Column::Revision, revision.number)];
    set(write, (claim.system_id, &claim.name), values).await
}
