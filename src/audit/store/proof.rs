//! What we ask the database for proofs: the hashes of stretches of the log.
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::visible;
use crate::{
    audit::{Inclusion, LogConsistency},
    caller::Caller,
    error::{Error, Result},
    hub::Hub,
    log::{
        merkle::{self, Hash, STEP, Subtree},
        row::{node, record},
        store::{end, hash},
    },
};

/// A proof that a record is in the log.
#[derive(Debug)]
pub struct Included {
    /// The record's bytes.
    pub record: Vec<u8>,
    /// The index of the leaf.
    pub index: u64,
    /// The size of the log.
    pub size: u64,
    /// The hashes, from the leaf to the root.
    pub path: Vec<Hash>,
    /// The root.
    pub root: Hash,
}

/// A proof that one log is the beginning of another.
#[derive(Debug)]
pub struct Consistent {
    /// The sizes.
    pub sizes: (u64, u64),
    /// The hashes.
    pub path: Vec<Hash>,
    /// The roots.
    pub roots: (Hash, Hash),
}

/// The size that is asked for: that of the newest checkpoint for 0.
async fn sized(db: &impl ConnectionTrait, asked: u64) -> Result<u64> {
    let end = end(db, false).await?;
    match asked {
        0 => Ok(end.checked),
        asked if asked <= end.tree.size() => Ok(asked),
        asked => Err(Error::not_found("log of size", asked)),
    }
}

/// Proves that a record is in the log.
pub async fn inclusion(hub: &Hub, caller: &Caller, asked: Inclusion) -> Result<Included> {
    let db = hub.db.read();
    let Inclusion { seq, size } = asked;
    let size = sized(db, size).await?;
    let known = || Error::not_found("record", seq);
    let index = super::size(seq)?.checked_sub(1).filter(|it| *it < size).ok_or_else(known)?;
    let row = visible(caller).filter(record::Column::Seq.eq(seq)).one(db).await?;
    let record = row.ok_or_else(known)?.body;
    let mut path = Vec::new();
    for stretch in merkle::inclusion(index, size) {
        path.push(of_stretch(db, stretch).await?);
    }
    Ok(Included { record, index, size, path, root: of_stretch(db, (0, size)).await? })
}

/// Proves that one log is the beginning of another.
pub async fn consistency(hub: &Hub, asked: LogConsistency) -> Result<Consistent> {
    let db = hub.db.read();
    let LogConsistency { first, second } = asked;
    let second = sized(db, second).await?;
    if first > second {
        return Err(Error::not_found("log of size", first));
    }
    let mut path = Vec::new();
    for stretch in merkle::consistency(first, second) {
        path.push(of_stretch(db, stretch).await?);
    }
    let roots = (of_stretch(db, (0, first)).await?, of_stretch(db, (0, second)).await?);
    Ok(Consistent { sizes: (first, second), path, roots })
}

/// The hash over the leaves from one on, up to another.
async fn of_stretch(db: &impl ConnectionTrait, (from, to): (u64, u64)) -> Result<Hash> {
    let mut parts = Vec::new();
    for part in merkle::subtrees(from, to) {
        parts.push(of_subtree(db, part).await?);
    }
    let whole = parts.into_iter().rev().reduce(|right, left| merkle::node(&left, &right));
    whole.ok_or_else(|| Error::internal("an empty stretch of the audit log"))
}

async fn of_subtree(db: &impl ConnectionTrait, part: Subtree) -> Result<Hash> {
    let Subtree { level, index } = part;
    // The kept hashes that it is made of, at most 128 of them.
    let (above, kept) = (level % STEP, level - level % STEP);
    let (from, count) = (index << above, 1_u64 << above);
    let hashes = kept_hashes(db, kept, from, count).await?;
    if u64::try_from(hashes.len()) != Ok(count) {
        return Err(Error::internal("the audit log lacks records: run `sharehub audit verify`"));
    }
    merkle::join(hashes).ok_or_else(|| Error::internal("hashes that do not join"))
}

/// Hashes of complete subtrees of a level that is kept, in their order.
#[expect(clippy::disallowed_methods, reason = "hashes tell nothing of what was recorded")]
async fn kept_hashes(
    db: &impl ConnectionTrait,
    level: u32,
    from: u64,
    count: u64,
) -> Result<Vec<Hash>> {
    let long = |it: u64| i64::try_from(it).map_err(Error::internal);
    let (from, to) = (long(from)?, long(from + count)?);
    let kept: Vec<Vec<u8>> = if level == 0 {
        // The record with the number 1 is the first leaf.
        let rows = record::Entity::find()
            .select_only()
            .column(record::Column::Hash)
            .filter(record::Column::Seq.gt(from))
            .filter(record::Column::Seq.lte(to))
            .order_by_asc(record::Column::Seq);
        rows.into_tuple().all(db).await?
    } else {
        let rows = node::Entity::find()
            .select_only()
            .column(node::Column::Hash)
            .filter(node::Column::Level.eq(i32::try_from(level).map_err(Error::internal)?))
            .filter(node::Column::Number.gte(from))
            .filter(node::Column::Number.lt(to))
            .order_by_asc(node::Column::Number);
        rows.into_tuple().all(db).await?
    };
    kept.into_iter().map(hash).collect()
}
