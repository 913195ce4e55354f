//! Lists rejected items that were not sent right since.
use std::collections::HashMap;

use sea_orm::ConnectionTrait;

use super::{
    contribution::Contribution,
    version_buffer::{Key, Version},
};
use crate::{
    caller::{Caller, directory::Directory},
    db::bulk::Keys,
    error::{Error, Result},
    hub::{Hub, store::rejections},
    indicator::{
        CellKey,
        definitions::Definitions,
        queries::ListRejections,
        row::{observation, target},
    },
    page::Paged,
    revision::{Consistency, Revision, View},
    time::Timestamp,
    unit::forest::Forest,
};

/// A rejected item.
pub use crate::hub::row::rejection::Model as Rejected;

/// Rejections per query.
const CHUNK: u16 = 1_000;

/// A page of the rejected items of a source.
pub async fn list(
    hub: &Hub,
    caller: &Caller,
    asked: ListRejections,
) -> Result<(Revision, Paged<Rejected>)> {
    let ListRejections { source, page } = asked;
    let (view, after) = hub.revisions.page(caller, Consistency::Latest, &page).await?;
    let system_id = match source.filter(|it| *it != caller.system.code) {
        None => caller.system_id,
        Some(code) => {
            caller.must_audit()?;
            let directory = hub.reference::<Directory>(&view).await?;
            let known = directory.by_code(code.as_str()).map(|(id, _)| id);
            known.ok_or_else(|| Error::not_found("system", code.as_str()).at("source"))?
        }
    };
    let book = Book::open(hub, &view).await?;
    let mut after = after.as_deref().and_then(place);
    let mut open = Vec::new();
    loop {
        let from = after.as_ref().map(|(list, item)| (list.as_str(), item.as_str()));
        let rows = rejections::page(hub.db.read(), system_id, None, from, CHUNK.into()).await?;
        let is_last = rows.len() < CHUNK.into();
        after = rows.last().map(|it| (it.list.clone(), it.item.clone()));
        open.extend(book.open_of(hub.db.read(), rows).await?);
        if is_last || open.len() > page.size() {
            break;
        }
    }
    let key = |it: &Rejected| format!("{} {}", it.list, it.item);
    Ok((view.revision, page.cut(open, &hub.mark(caller, &view), key)))
}

/// Where a page begins: after this list and item.
fn place(text: &str) -> Option<(String, String)> {
    let (list, item) = text.split_once(' ')?;
    Some((list.to_owned(), item.to_owned()))
}

/// The reference data that resolves items to cells.
pub(super) struct Book {
    definitions: std::sync::Arc<Definitions>,
    forest: std::sync::Arc<Forest>,
}

impl Book {
    pub(super) async fn open(hub: &Hub, view: &View) -> Result<Self> {
        let definitions = hub.reference::<Definitions>(view).await?;
        Ok(Self { definitions, forest: hub.reference::<Forest>(view).await? })
    }

    /// A system's items that were rejected since an instant and are open, of the first [`CHUNK`].
    pub(super) async fn open_since(
        &self,
        hub: &Hub,
        system_id: i64,
        since: Timestamp,
    ) -> Result<Vec<Rejected>> {
        let db = hub.db.read();
        let rows = rejections::page(db, system_id, Some(since), None, CHUNK.into()).await?;
        self.open_of(db, rows).await
    }

    /// Those whose cell does not stand by a version that their source made after they were rejected.
    async fn open_of(
        &self,
        db: &impl ConnectionTrait,
        mut rows: Vec<Rejected>,
    ) -> Result<Vec<Rejected>> {
        self.drop_mended::<observation::Model>(db, &mut rows).await?;
        self.drop_mended::<Contribution>(db, &mut rows).await?;
        self.drop_mended::<target::Model>(db, &mut rows).await?;
        Ok(rows)
    }

    async fn drop_mended<V: Version>(
        &self,
        db: &impl ConnectionTrait,
        rows: &mut Vec<Rejected>,
    ) -> Result<()> {
        let keys: HashMap<String, Key> = rows
            .iter()
            .filter(|it| it.list == V::LIST)
            .filter_map(|it| Some((it.item.clone(), V::key_of(self.key(&it.item)?, it.system_id))))
            .collect();
        let wanted = Keys::new(db, V::STANDS, keys.values().map(V::stands))?;
        let found: Vec<V> = wanted.standing(db, V::TABLE).await?;
        let made: HashMap<_, _> =
            found.iter().map(|it| ((it.key(), it.source_id()), it.made_at())).collect();
        rows.retain(|it| {
            let key = keys.get(&it.item).filter(|_| it.list == V::LIST);
            let made = key.and_then(|key| made.get(&(key.clone(), it.system_id)));
            made.is_none_or(|made_at| *made_at <= it.revision)
        });
        Ok(())
    }

    fn key(&self, item: &str) -> Option<Key> {
        let cell = CellKey::from_text(item)?;
        Key::of(self.definitions.known(&cell.indicator)?, &self.forest, &cell)
    }
}
