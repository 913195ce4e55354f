//! What we ask the database about the log: where it ends, adding records to its end, its newest checkpoint.
use base64::{Engine, engine::general_purpose::STANDARD as B64};
use sea_orm::{ConnectionTrait, DbBackend, EntityTrait, QueryOrder, Statement};

use super::{
    checkpoint::Checkpoint,
    key::Key,
    merkle::{self, Hash, MerkleTree, STEP},
    record::Record,
    row::{checkpoint, node, record, subject},
    wire::encode,
};
use crate::{
    db::bulk,
    error::{Error, Result},
    time::Timestamp,
};

/// Records after which a checkpoint is made at the latest, and microseconds after which one is, if there is a new
/// record.
const CHECKPOINT: (u64, i64) = (1_000, 10_000_000);

/// Where the log ends.
#[derive(Clone, Debug)]
pub struct End {
    /// The tree over all records.
    pub tree: MerkleTree,
    /// When the last one was written.
    pub last_at: Timestamp,
    /// The epoch of the store.
    pub epoch: i64,
    /// How many records the newest checkpoint covers.
    pub checked: u64,
    /// When it was signed.
    pub checked_at: Timestamp,
    /// The public key of the log.
    pub public_key: String,
}

impl End {
    /// Whether it is time for a checkpoint.
    pub fn is_due(&self, now: Timestamp) -> bool {
        let (most, longest) = CHECKPOINT;
        let new = self.tree.size() - self.checked;
        let age = now.micros() - self.checked_at.micros();
        new >= most || (new > 0 && age >= longest)
    }
}

/// A size of the log, as it is kept.
pub fn long(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

/// A number of the log, which is never negative.
pub fn size(number: i64) -> Result<u64> {
    u64::try_from(number).map_err(Error::internal)
}

/// The bytes of a kept hash.
pub fn hash(bytes: Vec<u8>) -> Result<Hash> {
    bytes.try_into().map_err(|_| Error::internal("a hash of another length is kept"))
}

// === adding ===

/// Where the log ends: locked for the rest of the transaction, if it is to be added to.
pub async fn end(db: &impl ConnectionTrait, is_locked: bool) -> Result<End> {
    let backend = db.get_database_backend();
    let lock = if is_locked && backend == DbBackend::Postgres { " FOR UPDATE OF a" } else { "" };
    let ask = format!(
        "SELECT a.size, a.peaks, a.last_at, a.checkpoint_size, a.checkpoint_at, a.public_key, h.epoch \
         FROM audit_head AS a, head AS h WHERE a.id = 1 AND h.id = 1{lock}"
    );
    let row = db.query_one_raw(Statement::from_string(backend, ask)).await?;
    let row = row.ok_or_else(|| Error::internal("the audit log's row is missing"))?;
    let peaks: String = row.try_get("", "peaks")?;
    let peaks = B64.decode(peaks).map_err(Error::internal)?;
    let peaks = peaks.chunks(32).map(|it| hash(it.to_vec())).collect::<Result<_>>()?;
    let tree = MerkleTree::new(size(row.try_get("", "size")?)?, peaks);
    Ok(End {
        tree: tree.ok_or_else(|| Error::internal("the audit log's row does not add up"))?,
        last_at: Timestamp::from_micros(row.try_get("", "last_at")?),
        epoch: row.try_get("", "epoch")?,
        checked: size(row.try_get("", "checkpoint_size")?)?,
        checked_at: Timestamp::from_micros(row.try_get("", "checkpoint_at")?),
        public_key: row.try_get("", "public_key")?,
    })
}

/// What was added.
#[derive(Clone, Debug, Default)]
pub struct Added {
    /// How many records there are now.
    pub size: u64,
    /// How many of them the newest checkpoint covers.
    pub checked: u64,
    /// That checkpoint, if it is a new one.
    pub checkpoint: Option<String>,
}

/// Adds records at the end, in a transaction; and a checkpoint, if it is time for one.
pub async fn add(
    db: &impl ConnectionTrait,
    key: &Key,
    now: Timestamp,
    records: impl ExactSizeIterator<Item = &Record> + Send,
) -> Result<Added> {
    let mut end = end(db, true).await?;
    // The clock may step back; the log does not.
    let at = now.max(end.last_at);
    let (mut rows, mut subjects, mut nodes) = (Vec::with_capacity(records.len()), vec![], vec![]);
    for it in records {
        let seq = long(end.tree.size()).saturating_add(1);
        let body = encode(seq, at, end.epoch, it);
        let leaf = merkle::leaf(&body);
        end.tree.push(leaf, |part, hash| {
            if part.level.is_multiple_of(STEP) {
                let level = i32::try_from(part.level).unwrap_or(i32::MAX);
                nodes.push(node::Model { level, number: long(part.index), hash: hash.to_vec() });
            }
        });
        let of = |dossier: &String| subject::Model { dossier: dossier.clone(), seq };
        subjects.extend(it.answered.subjects.iter().map(of));
        rows.push(record::Model {
            seq,
            at: at.micros(),
            system: it.who.system.clone(),
            method: it.method.to_owned(),
            code: i32::from(it.code),
            personal: it.answered.personal,
            body,
            hash: leaf.to_vec(),
        });
    }
    bulk::add::<record::Entity>(db, rows).await?;
    bulk::add::<subject::Entity>(db, subjects).await?;
    bulk::add::<node::Entity>(db, nodes).await?;
    let size = end.tree.size();
    let checkpoint = match end.is_due(at) {
        true => {
            let (origin, root) = (key.public().name().to_owned(), end.tree.root());
            let note = Checkpoint { origin, size, root, epoch: end.epoch, at }.sign(key);
            let row = checkpoint::Model { size: long(size), note: note.clone() };
            bulk::add::<checkpoint::Entity>(db, vec![row]).await?;
            (end.checked, end.checked_at) = (size, at);
            Some(note)
        }
        false => None,
    };
    let set = "UPDATE audit_head SET size = $1, peaks = $2, last_at = $3, checkpoint_size = $4, \
               checkpoint_at = $5 WHERE id = 1";
    let values = [
        long(size).into(),
        B64.encode(end.tree.peaks().concat()).into(),
        at.micros().into(),
        long(end.checked).into(),
        end.checked_at.micros().into(),
    ];
    let set = Statement::from_sql_and_values(db.get_database_backend(), set, values);
    db.execute_raw(set).await?;
    Ok(Added { size, checked: end.checked, checkpoint })
}

/// Makes this the key of the log if it has none; refuses another one than it has.
pub async fn claim(db: &impl ConnectionTrait, key: &Key) -> Result<()> {
    let public = key.public().to_string();
    let claim = "UPDATE audit_head SET public_key = $1 WHERE id = 1 AND public_key = ''";
    let backend = db.get_database_backend();
    let values = [public.clone().into()];
    db.execute_raw(Statement::from_sql_and_values(backend, claim, values)).await?;
    let kept = end(db, false).await?.public_key;
    if kept == public {
        return Ok(());
    }
    Err(Error::internal(format!(
        "the store's audit log was begun with the key {kept}, and the `audit_key` given here is {public}"
    )))
}

/// The newest checkpoint.
#[expect(clippy::disallowed_methods, reason = "checkpoints are for everyone")]
pub async fn newest(db: &impl ConnectionTrait) -> Result<Option<String>> {
    let newest = checkpoint::Entity::find().order_by_desc(checkpoint::Column::Size);
    Ok(newest.one(db).await?.map(|it| it.note))
}
