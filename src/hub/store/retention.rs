//! Retention: moves the floor, on record, and then takes away what only reads below it would show.
use std::{sync::Arc, time::Duration};

use sea_orm::{
    ActiveValue::Set,
    ConnectionTrait, EntityTrait,
    sea_query::{Expr, ExprTrait, Order, Query},
};
use tokio::time;

use crate::{
    caller::Caller,
    error::Result,
    hub::{Hub, WriteOp, store::rejections},
    revision::{
        Revision,
        row::compaction,
        store::last_at,
        write::{Done, Effect, Write},
    },
    time::Timestamp,
};

/// Tables whose rows end: what ended at or before the floor, no read can show.
const TABLES: [&str; 4] = ["observation", "contribution", "target", "dossier"];
/// Rows that are taken away in one statement, about.
const CHUNK: u64 = 5_000;
/// How long requests that were answered are remembered, whatever the floor is, in microseconds: 30 days.
const REMEMBERED: i64 = 30 * 86_400_000_000;

/// Asks to move the floor.
#[derive(Clone, Debug)]
pub struct Compact {
    /// Every revision that was the newest after this instant can still be read.
    pub keep_after: Timestamp,
    /// Why, for the record.
    pub reason: String,
    /// How long reads that began before are given to end, before rows are taken away: no less than a call may take.
    pub grace: Duration,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compacted {
    /// The floor now.
    pub floor: i64,
    /// The revision that moved it; none when it stood there already.
    pub revision: Option<Revision>,
    /// Rows that were taken away.
    pub rows: u64,
}

/// Moves the floor to the last revision committed by an instant, and takes away what ended by then. Interrupted, it is
/// finished by the next one.
pub async fn compact(hub: &Arc<Hub>, asked: Compact) -> Result<Compacted> {
    let Compact { keep_after, reason, grace } = asked;
    let wanted = last_at(hub.db.read(), keep_after).await?;
    let caller = Caller::hub("hub/Compact", hub.limits.longest);
    let move_floor = MoveFloor { to: wanted, keep_after, reason };
    let (floor, revision) = hub.write_once(&caller, move_floor).await?;
    if floor > 0 {
        // A read that picked its revision before the floor moved may still be under way, here or in another hub.
        time::sleep(grace).await;
    }
    let mut rows = take_events(hub.db.write(), floor).await?;
    for table in TABLES {
        rows += take_away(hub.db.write(), table, "superseded_at", floor).await?;
    }
    let forgotten = Timestamp::now().micros() - REMEMBERED;
    rows += take_away(hub.db.write(), "answered_request", "answered_at", forgotten).await?;
    let stale = Timestamp::now().micros() - rejections::KEPT;
    rows += take_away(hub.db.write(), "rejection", "last_at", stale).await?;
    tracing::info!(floor, rows, "compacted");
    Ok(Compacted { floor, revision, rows })
}

/// Moves the floor to a revision, unless it stands there or beyond.
#[derive(Clone)]
struct MoveFloor {
    to: i64,
    keep_after: Timestamp,
    reason: String,
}

impl WriteOp for MoveFloor {
    /// The floor, and the revision that moved it.
    type Output = Done<(i64, Option<Revision>)>;

    async fn run(self, _: &Hub, write: &Write, _: &Caller) -> Result<Self::Output> {
        let Self { to, keep_after, reason } = self;
        let floor = Ord::max(to, write.head.floor);
        if floor == write.head.floor {
            return Ok(Done { answer: (floor, None), effect: Effect::None });
        }
        let row = compaction::ActiveModel {
            revision: Set(write.revision.number),
            floor: Set(floor),
            keep_before: Set(keep_after),
            reason: Set(reason),
        };
        compaction::Entity::insert(row).exec_without_returning(&write.db).await?;
        Ok(Done { answer: (floor, Some(write.revision)), effect: Effect::Compacted { floor } })
    }
}

/// Deletes the events of dossiers that were withdrawn up to the floor: no read can show them, and no dossier of the
/// same code takes them up again. Before their tombstones, by which they are found.
async fn take_events(db: &impl ConnectionTrait, floor: i64) -> Result<u64> {
    const DOSSIERS: u64 = 500;
    let mut rows = 0;
    loop {
        let event = || Expr::col(("dossier_event", "dossier_id"));
        let has_events = Query::select()
            .expr(Expr::val(1))
            .from("dossier_event")
            .and_where(event().equals(("dossier", "id")))
            .take();
        let withdrawn = Query::select()
            .column("id")
            .from("dossier")
            .and_where(Expr::col("withdrawal_reason").is_not_null())
            .and_where(Expr::col("superseded_at").lte(floor))
            .and_where(Expr::exists(has_events))
            .limit(DOSSIERS)
            .take();
        let delete = Query::delete()
            .from_table("dossier_event")
            .and_where(Expr::col("dossier_id").in_subquery(withdrawn))
            .take();
        match db.execute(&delete).await?.rows_affected() {
            0 => return Ok(rows),
            taken => rows += taken,
        }
    }
}

/// Deletes the rows of a table with a column up to a bound, some at a time, so that commits go on in between.
async fn take_away(
    db: &impl ConnectionTrait,
    table: &'static str,
    column: &'static str,
    bound: i64,
) -> Result<u64> {
    let mut rows = 0;
    loop {
        let next = Query::select()
            .column(column)
            .from(table)
            .and_where(Expr::col(column).lte(bound))
            .order_by(column, Order::Asc)
            .offset(CHUNK)
            .limit(1)
            .take();
        let next = db.query_one(&next).await?;
        let upto = match &next {
            Some(row) => row.try_get_by_index(0)?,
            None => bound,
        };
        let delete =
            Query::delete().from_table(table).and_where(Expr::col(column).lte(upto)).take();
        rows += db.execute(&delete).await?.rows_affected();
        if next.is_none() {
            return Ok(rows);
        }
    }
}
