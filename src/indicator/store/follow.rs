//! Invalidates cached cells: follows the head, and finds the cells that each revision touched.
use std::{collections::HashSet, sync::Arc};

use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect,
    sea_query::{Condition, ExprTrait},
};
use tokio::sync::watch;

use crate::{
    db::Db,
    error::Result,
    indicator::{
        cells::{Cells, Key, Touched},
        row::{observation, target},
    },
    revision::{Head, View, store as revisions, touched::TouchedSet},
};

/// Most cells invalidated one by one; beyond that, all are.
const MOST: usize = 4_000;

/// Invalidates touched cells as the head moves, and ends with it.
pub async fn follow(db: Db, mut head: watch::Receiver<Head>, cells: Arc<Cells>) {
    let mut last = View::from(*head.borrow());
    // The changes between the start of the cache and now are unknown.
    cells.touched(last.number(), Touched::Everything);
    while head.changed().await.is_ok() {
        let now = View::from(*head.borrow_and_update());
        let goes_on = now.epoch() == last.epoch() && now.number() >= last.number();
        let touched = match goes_on {
            true => touched(&db.at(now.position()), last.number(), now.number()).await,
            false => Ok(Touched::Everything),
        };
        let touched = touched.unwrap_or_else(|err| {
            tracing::warn!(error = %err, "it is not known what was touched");
            Touched::Everything
        });
        cells.touched(now.number(), touched);
        last = now;
    }
}

/// The cells that the revisions after one, through another, made or ended versions of.
async fn touched(db: &impl ConnectionTrait, after: i64, through: i64) -> Result<Touched> {
    let Some((all, items)) = revisions::made_between(db, after, through).await? else {
        return Ok(Touched::Everything);
    };
    if !all.meets(TouchedSet::OBSERVATIONS | TouchedSet::TARGETS) {
        return Ok(Touched::Keys(HashSet::new()));
    }
    if usize::try_from(items).unwrap_or(usize::MAX) > MOST {
        return Ok(Touched::Everything);
    }
    let mut keys = HashSet::new();
    if all.meets(TouchedSet::OBSERVATIONS) {
        keys.extend(observed(db, after, through).await?);
    }
    if all.meets(TouchedSet::TARGETS) {
        keys.extend(aimed(db, after, through).await?);
    }
    Ok(Touched::Keys(keys))
}

#[expect(
    clippy::disallowed_methods,
    reason = "a door to numbers only: which cells, not what they say"
)]
async fn observed(db: &impl ConnectionTrait, after: i64, through: i64) -> Result<Vec<Key>> {
    use observation::Column::{IndicatorId, MadeAt, SupersededAt, UnitId};
    let rows = observation::Entity::find()
        .select_only()
        .columns([IndicatorId, UnitId])
        .filter(
            Condition::any()
                .add(MadeAt.gt(after).and(MadeAt.lte(through)))
                .add(SupersededAt.gt(after).and(SupersededAt.lte(through))),
        )
        .distinct();
    Ok(rows.into_tuple().all(db).await?)
}

#[expect(
    clippy::disallowed_methods,
    reason = "a door to numbers only: which cells, not what they say"
)]
async fn aimed(db: &impl ConnectionTrait, after: i64, through: i64) -> Result<Vec<Key>> {
    use target::Column::{IndicatorId, MadeAt, SupersededAt, UnitId};
    let rows = target::Entity::find()
        .select_only()
        .columns([IndicatorId, UnitId])
        .filter(
            Condition::any()
                .add(MadeAt.gt(after).and(MadeAt.lte(through)))
                .add(SupersededAt.gt(after).and(SupersededAt.lte(through))),
        )
        .distinct();
    Ok(rows.into_tuple().all(db).await?)
}
