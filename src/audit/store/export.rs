//! What we ask the database for an export: all of the log, as it is kept.
use std::collections::HashMap;

use base64::{Engine, engine::general_purpose::STANDARD as B64};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use crate::{
    audit::verify::{Line, Note, RecordRow},
    error::{Error, Result},
    log::{
        row::{checkpoint, record, subject},
        store::{end, long},
    },
};

/// Records that are read at once.
const PAGE: u64 = 2_000;

/// Hands each line of an export to a writer: the log as it was when this began. Nothing is checked here: whatever
/// changed the store could have changed this check as well.
pub async fn export<W>(db: &impl ConnectionTrait, mut write: W) -> Result<u64>
where
    W: FnMut(&Line<'_>) -> Result<()>,
{
    let end = end(db, false).await?;
    let size = end.tree.size();
    write(&Line::Log(end.public_key.as_str().into()))?;
    let mut after = 0;
    loop {
        let records = records(db, after, long(size)).await?;
        let Some(last) = records.last().map(|it| it.seq) else { break };
        let is_last = records.len() < usize::try_from(PAGE).unwrap_or(usize::MAX);
        // Those after the last record, if it is the last one, as well.
        let through = if is_last { i64::MAX } else { last };
        let mut notes = checkpoints(db, after, through).await?.into_iter().peekable();
        let mut subjects = subjects(db, after, last).await?;
        for it in records {
            while let Some(note) = notes.next_if(|note| note.size < it.seq) {
                write(&note_line(&note)?)?;
            }
            let record::Model { seq, at, system, method, code, personal, body, hash } = it;
            write(&Line::Record(RecordRow {
                seq,
                at,
                system: system.into(),
                method: method.into(),
                code,
                personal,
                subjects: subjects.remove(&seq).unwrap_or_default(),
                hash: B64.encode(hash).into(),
                body: B64.encode(body).into(),
            }))?;
        }
        for note in notes {
            // What was added after this began is for another export.
            if note.size <= long(size) {
                write(&note_line(&note)?)?;
            }
        }
        after = last;
        if is_last {
            break;
        }
    }
    write(&Line::End(size, B64.encode(end.tree.root()).into()))?;
    Ok(size)
}

fn note_line(kept: &checkpoint::Model) -> Result<Line<'_>> {
    let size = u64::try_from(kept.size).map_err(Error::internal)?;
    Ok(Line::Checkpoint(Note { size, note: kept.note.as_str().into() }))
}

#[expect(clippy::disallowed_methods, reason = "an export is made by who has the store")]
async fn records(
    db: &impl ConnectionTrait,
    after: i64,
    through: i64,
) -> Result<Vec<record::Model>> {
    let rows = record::Entity::find()
        .filter(record::Column::Seq.gt(after))
        .filter(record::Column::Seq.lte(through))
        .order_by_asc(record::Column::Seq)
        .limit(PAGE);
    Ok(rows.all(db).await?)
}

#[expect(clippy::disallowed_methods, reason = "an export is made by who has the store")]
async fn checkpoints(
    db: &impl ConnectionTrait,
    after: i64,
    through: i64,
) -> Result<Vec<checkpoint::Model>> {
    let rows = checkpoint::Entity::find()
        .filter(checkpoint::Column::Size.gt(after))
        .filter(checkpoint::Column::Size.lte(through))
        .order_by_asc(checkpoint::Column::Size);
    Ok(rows.all(db).await?)
}

#[expect(clippy::disallowed_methods, reason = "an export is made by who has the store")]
async fn subjects(
    db: &impl ConnectionTrait,
    after: i64,
    through: i64,
) -> Result<HashMap<i64, Vec<String>>> {
    let rows = subject::Entity::find()
        .filter(subject::Column::Seq.gt(after))
        .filter(subject::Column::Seq.lte(through))
        .order_by_asc(subject::Column::Seq)
        .all(db)
        .await?;
    let mut subjects: HashMap<_, Vec<_>> = HashMap::new();
    for subject::Model { dossier, seq } in rows {
        subjects.entry(seq).or_default().push(dossier);
    }
    Ok(subjects)
}
