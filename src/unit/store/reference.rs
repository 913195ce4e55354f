//! What we ask the database about the units that come with the product: loading them, and bringing them up to date.
use std::sync::Arc;

use crate::{
    caller::Caller,
    error::Result,
    hub::{BatchOptions, Hub},
    revision::{ReferenceData, receipt::Receipt},
    unit::{self, forest::Forest},
};

/// Loads the reference data that comes with the product into a store that has no units yet.
pub async fn load_reference(hub: &Arc<Hub>) -> Result<()> {
    if hub.revisions.latest().touched(ReferenceData::Units) > 0 {
        return Ok(());
    }
    publish_reference(hub).await?;
    Ok(())
}

/// Whether the store's units are those of an earlier release, which did not know of some change.
pub async fn is_reference_behind(hub: &Hub) -> Result<bool> {
    let forest = hub.reference::<Forest>(&hub.revisions.latest()).await?;
    unit::reference::is_behind(&forest)
}

/// Publishes the reference data as it stands in the product. Publishing it twice changes nothing.
pub async fn publish_reference(hub: &Arc<Hub>) -> Result<Receipt> {
    let publication = unit::reference::entries()?;
    let caller = Caller::hub("hub/LoadReference", hub.limits.longest);
    hub.write_batch(&caller, BatchOptions::internal("reference"), publication).await
}
