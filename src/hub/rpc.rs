//! `HubService` on the wire.
use std::sync::Arc;

use tonic::Request;

use super::Hub;
use crate::{
    error::{Error, Reply, Result},
    limits::{MOST_CELLS, MOST_ITEMS},
    page, pb,
    wire::{open, reply},
};

/// The service.
#[derive(Clone, Debug)]
pub struct Rpc {
    /// The hub.
    pub hub: Arc<Hub>,
}

#[tonic::async_trait]
impl pb::hub_service_server::HubService for Rpc {
    async fn get_info(&self, req: Request<pb::GetInfoRequest>) -> Reply<pb::GetInfoResponse> {
        let (_, GetInfo) = open(req)?;
        reply(self.hub.as_ref().into())
    }
}

/// Asks for facts about the hub.
struct GetInfo;

impl TryFrom<pb::GetInfoRequest> for GetInfo {
    type Error = Error;

    fn try_from(pb::GetInfoRequest {}: pb::GetInfoRequest) -> Result<Self> {
        Ok(Self)
    }
}

impl From<&Hub> for pb::GetInfoResponse {
    fn from(hub: &Hub) -> Self {
        let head = hub.revisions.head();
        let int = |it: usize| i32::try_from(it).unwrap_or(i32::MAX);
        let long = |it: u128| i64::try_from(it).unwrap_or(i64::MAX);
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            newest: Some(head.newest.into()),
            retention_floor: head.floor,
            limits: Some(pb::HubLimits {
                batch_items: int(MOST_ITEMS),
                message_bytes: i64::try_from(hub.limits.message_bytes).unwrap_or(i64::MAX),
                page_items: int(page::MOST),
                snapshot_cells: int(MOST_CELLS),
                call_ms: long(hub.limits.longest.as_millis()),
                watches: int(hub.limits.watches),
                watches_per_system: int(hub.limits.watches_each),
            }),
            engine: hub.db.engine().to_owned(),
            commits: i64::try_from(hub.commits()).unwrap_or(i64::MAX),
        }
    }
}
