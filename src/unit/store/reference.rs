//! Loads the units that ship with the program, and updates them.
use std::sync::Arc;

use crate::{
    caller::Caller,
    error::Result,
    hub::{BatchOptions, Hub},
    revision::{ReferenceData, receipt::Receipt},
    unit::{self, forest::Forest},
};

/// Loads the reference data of the program into a store that has no units yet.
pub async fn load_reference(hub: &Arc<Hub>) -> Result<()> {
    if hub.revisions.latest().touched(ReferenceData::Units) > 0 {
        return Ok(());
    }
    publish_reference(hub).await?;
    Ok(())
}

/// Whether the store holds the units of an earlier release, without some later change.
pub async fn is_reference_behind(hub: &Hub) -> Result<bool> {
    let forest = hub.reference::<Forest>(&hub.revisions.latest()).await?;
    unit::reference::is_behind(&forest)
}

/// Publishes the reference data of the program. Publishing it twice changes nothing.
pub async fn publish_reference(hub: &Arc<Hub>) -> Result<Receipt> {
    let publication = unit::reference::entries()?;
    let caller = Caller::hub("hub/LoadReference", hub.limits.longest);
    hub.write_batch(&caller, BatchOptions::internal("reference"), publication).await
}
