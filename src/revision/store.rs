//! What we ask the database about revisions.
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Expr, ExprTrait, Query, SimpleExpr},
};

use super::{
    Head, ReferenceData, Revision,
    row::{head, log},
    touched::TouchedSet,
};
use crate::{
    db::Db,
    error::{Error, Result},
    time::Timestamp,
};

/// The head, locked for the rest of the transaction where the engine locks rows; and what readers were told up to.
pub async fn lock_head(db: &impl ConnectionTrait) -> Result<(Head, Timestamp)> {
    read_head(visible_head().lock_exclusive(), db).await
}

/// The head, as it was last committed.
pub async fn head(db: &impl ConnectionTrait) -> Result<Head> {
    Ok(read_head(visible_head(), db).await?.0)
}

/// Notes that a reader is told everything up to an instant, after waiting for the commit that runs: later ones get a
/// later time, whichever hub makes them.
#[expect(clippy::disallowed_methods, reason = "the counter row is the one row changed in place")]
pub async fn tell(db: &impl ConnectionTrait, at: Timestamp) -> Result<()> {
    head::Entity::update_many()
        .col_expr(head::Column::ToldAt, Expr::value(at.micros()))
        .filter(head::Column::ToldAt.lt(at.micros()))
        .exec(db)
        .await?;
    Ok(())
}

/// Begins a new epoch, after a backup was restored: a number that no epoch had before, nor will have in a later one.
#[expect(clippy::disallowed_methods, reason = "the counter row is the one row changed in place")]
pub async fn renew_epoch(db: &Db) -> Result<i64> {
    let epoch: i64 = rand::random_range(1..i64::MAX);
    head::Entity::update_many()
        .col_expr(head::Column::Epoch, Expr::value(epoch))
        .exec(db.write())
        .await?;
    Ok(epoch)
}

#[expect(clippy::disallowed_methods, reason = "the counter row is nobody's to see or not to see")]
fn visible_head() -> sea_orm::Select<head::Entity> {
    head::Entity::find()
}

async fn read_head(
    select: sea_orm::Select<head::Entity>,
    db: &impl ConnectionTrait,
) -> Result<(Head, Timestamp)> {
    let row = select.one(db).await?;
    let head::Model {
        id: _,
        revision,
        committed_at,
        floor,
        units_at,
        indicators_at,
        procedures_at,
        access_at,
        epoch,
        told_at,
    } = row.ok_or_else(|| Error::internal("the counter row is missing"))?;
    let head = Head {
        newest: Revision { number: revision, at: Timestamp::from_micros(committed_at) },
        floor,
        epoch,
        touched_at: [units_at, indicators_at, procedures_at, access_at],
    };
    Ok((head, Timestamp::from_micros(told_at)))
}

/// Sets the head; part of the transaction whose revisions it counts.
#[expect(clippy::disallowed_methods, reason = "the counter row is the one row changed in place")]
pub async fn set_head(db: &impl ConnectionTrait, head: &Head) -> Result<()> {
    let [units_at, indicators_at, procedures_at, access_at] = head.touched_at;
    head::Entity::update_many()
        .col_expr(head::Column::Revision, Expr::value(head.newest.number))
        .col_expr(head::Column::CommittedAt, Expr::value(head.newest.at.micros()))
        .col_expr(head::Column::Floor, Expr::value(head.floor))
        .col_expr(head::Column::UnitsAt, Expr::value(units_at))
        .col_expr(head::Column::IndicatorsAt, Expr::value(indicators_at))
        .col_expr(head::Column::ProceduresAt, Expr::value(procedures_at))
        .col_expr(head::Column::AccessAt, Expr::value(access_at))
        .exec(db)
        .await?;
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "the log's one door: numbers and times, no data")]
fn visible() -> sea_orm::Select<log::Entity> {
    log::Entity::find()
}

/// The last revision committed at or before an instant; 0 when there is none.
pub async fn last_at(db: &impl ConnectionTrait, at: Timestamp) -> Result<i64> {
    // Times never go back along the log, so the last line by number is the last by time.
    let line = visible()
        .filter(log::Column::CommittedAt.lte(at.micros()))
        .order_by_desc(log::Column::CommittedAt)
        .order_by_desc(log::Column::Revision)
        .one(db)
        .await?;
    Ok(line.map_or(0, |it| it.revision))
}

/// When a revision was committed.
pub async fn committed_at(db: &impl ConnectionTrait, number: i64) -> Result<Timestamp> {
    let line = visible().filter(log::Column::Revision.eq(number)).one(db).await?;
    Ok(Timestamp::from_micros(line.map_or(0, |it| it.committed_at)))
}

/// When the revision in a column was committed, as part of another question.
pub fn time_of(number: impl ColumnTrait) -> SimpleExpr {
    let time = Query::select()
        .column(log::Column::CommittedAt)
        .from(log::Entity)
        .and_where(Expr::col(log::Column::Revision).equals(number.as_column_ref()))
        .take();
    SimpleExpr::SubQuery(None, Box::new(time.into()))
}

/// When each of these revisions was committed.
pub async fn times(
    db: &impl ConnectionTrait,
    numbers: impl IntoIterator<Item = i64>,
) -> Result<std::collections::HashMap<i64, Timestamp>> {
    let lines = visible().filter(log::Column::Revision.is_in(numbers)).all(db).await?;
    let time = |it: log::Model| (it.revision, Timestamp::from_micros(it.committed_at));
    Ok(lines.into_iter().map(time).collect())
}

/// What the revisions after one, through another, touched, and how many items they made versions of; nothing
/// where it was not counted, or there are very many of them.
pub async fn made_between(
    db: &impl ConnectionTrait,
    after: i64,
    through: i64,
) -> Result<Option<(TouchedSet, i64)>> {
    const MOST: usize = 1_000;
    let lines = visible()
        .filter(log::Column::Revision.gt(after))
        .filter(log::Column::Revision.lte(through))
        .limit(u64::try_from(MOST).unwrap_or(u64::MAX).saturating_add(1))
        .all(db)
        .await?;
    if lines.len() > MOST || lines.iter().any(|it| it.items < 0) {
        return Ok(None);
    }
    let bits = lines.iter().fold(0, |bits, it| bits | it.touched);
    Ok(Some((TouchedSet::from_bits(bits), lines.iter().map(|it| i64::from(it.items)).sum())))
}

/// The last revision up to `number` that touched a set of reference data; 0 when none did.
pub async fn last_touched(
    db: &impl ConnectionTrait,
    number: i64,
    which: ReferenceData,
) -> Result<i64> {
    let touched = Expr::col(log::Column::Touched).bit_and(TouchedSet::from(which).bits()).ne(0);
    let line = visible()
        .filter(log::Column::Revision.lte(number))
        .filter(touched)
        .order_by_desc(log::Column::Revision)
        .one(db)
        .await?;
    Ok(line.map_or(0, |it| it.revision))
}

/// A line of the log.
#[derive(Clone, Copy, Debug)]
pub struct LogLine {
    /// The revision.
    pub revision: Revision,
    /// What it touched, and made versions of.
    pub touched: TouchedSet,
    /// How many items it created or corrected; none where it was not counted.
    pub items: Option<u32>,
}

/// The lines of the revisions after one, in their order.
pub async fn lines(db: &impl ConnectionTrait, after: i64, limit: u64) -> Result<Vec<LogLine>> {
    let lines = visible()
        .filter(log::Column::Revision.gt(after))
        .order_by_asc(log::Column::Revision)
        .limit(limit)
        .all(db)
        .await?;
    let line = |it: log::Model| {
        let log::Model { revision, committed_at, system_id: _, touched, items } = it;
        let at = Timestamp::from_micros(committed_at);
        let revision = Revision { number: revision, at };
        let touched = TouchedSet::from_bits(touched);
        LogLine { revision, touched, items: u32::try_from(items).ok() }
    };
    Ok(lines.into_iter().map(line).collect())
}
