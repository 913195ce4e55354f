//! Answers questions about held changes, and refuses them.
use std::sync::Arc;

use crate::{
    access::queries::ListHeldChanges,
    caller::{Caller, directory::Directory},
    error::Result,
    hub::{Hub, held::Refuse, row::held_change::Model, store::held},
    page::Paged,
    revision::{Consistency, Revision},
};

/// A page of held changes, the oldest first, with the systems that they name.
pub async fn list(
    hub: &Hub,
    caller: &Caller,
    asked: ListHeldChanges,
) -> Result<(Revision, Paged<Model>, Arc<Directory>)> {
    let ListHeldChanges { state, page } = asked;
    let (view, after) = hub.revisions.page(caller, Consistency::Latest, &page).await?;
    let after = after.and_then(|it| it.parse().ok()).unwrap_or(0);
    let limit = u64::try_from(page.size()).unwrap_or(u64::MAX).saturating_add(1);
    let rows = held::page(hub.db.read(), state, after, limit).await?;
    let page = page.cut(rows, &hub.mark(caller, &view), |it: &Model| it.id.to_string());
    Ok((view.revision, page, hub.reference::<Directory>(&view).await?))
}

/// Refuses a change that waits.
pub async fn refuse(
    hub: &Arc<Hub>,
    caller: &Caller,
    refuse: Refuse,
) -> Result<(Model, Arc<Directory>)> {
    let change = hub.write_once(caller, refuse).await?;
    let view = hub.revisions.latest();
    Ok((change, hub.reference::<Directory>(&view).await?))
}
