//! `IndicatorService` on the wire: open, ask, answer.
mod dimensions;
pub mod encoded;
mod entries;
mod keys;
mod lists;
pub mod pack;
pub(crate) mod questions;
pub(crate) mod rows;
mod sources;

use std::sync::Arc;

use tonic::{Request, Streaming, codegen::BoxStream};

use super::{
    CellKey, ObservationEntry, TargetEntry,
    queries::{
        Availability, Export, Get, List, ListCodes, ListGroups, ListRejections, ListRevisions,
        ListSources, Query, QueryTargets, Rank, RollUp, Snapshot,
    },
    store::{
        self, availability, catalogue, compute,
        define::DefineIndicators,
        export, publish,
        read::{self, ObservationView},
        rejections,
        snapshot::{self, Snapshots},
        versions, withdraw,
    },
};
use crate::{
    error::{Reply, Result},
    hub::{BatchOptions, Hub},
    load, pb,
    revision::withdrawal::Withdrawal,
    wire::{
        done, open, reply,
        stream::{open_stream, sheets, stream},
    },
};

/// The service.
#[derive(Clone, Debug)]
pub struct Rpc {
    /// The hub.
    pub hub: Arc<Hub>,
    /// Cells of snapshots, at the newest revision.
    pub snapshots: Arc<Snapshots>,
}

/// Starts the service, with its caches.
pub fn start(hub: &Arc<Hub>) -> Rpc {
    Rpc { hub: Arc::clone(hub), snapshots: Snapshots::start(hub, encoded::ENCODER) }
}

type Entries<T> = (BatchOptions, Vec<Result<T>>);
type CellKeys = (BatchOptions, Withdrawal<CellKey>);

#[tonic::async_trait]
impl pb::indicator_service_server::IndicatorService for Rpc {
    async fn define_indicators(
        &self,
        req: Request<pb::DefineIndicatorsRequest>,
    ) -> Reply<pb::DefineIndicatorsResponse> {
        let (caller, (ask, define)): (_, (BatchOptions, DefineIndicators)) = open(req)?;
        let receipt = self.hub.write_batch(&caller, ask, define).await?;
        done(pb::DefineIndicatorsResponse { receipt: Some(receipt.into()) })
    }

    async fn get_indicator(
        &self,
        req: Request<pb::GetIndicatorRequest>,
    ) -> Reply<pb::GetIndicatorResponse> {
        let (caller, get): (_, Get) = open(req)?;
        let (read_at, definition) = store::get(&self.hub, &caller, get).await?;
        let indicator = Some(Arc::unwrap_or_clone(definition).into());
        reply(pb::GetIndicatorResponse { read_at: Some(read_at.into()), indicator })
    }

    async fn list_indicators(
        &self,
        req: Request<pb::ListIndicatorsRequest>,
    ) -> Reply<pb::ListIndicatorsResponse> {
        let (caller, list): (_, List) = open(req)?;
        let (read_at, page) = catalogue::list(&self.hub, &caller, list).await?;
        reply(pb::ListIndicatorsResponse {
            read_at: Some(read_at.into()),
            indicators: page.items.into_iter().map(|it| Arc::unwrap_or_clone(it).into()).collect(),
            next_page_token: page.next,
        })
    }

    async fn list_indicator_groups(
        &self,
        req: Request<pb::ListIndicatorGroupsRequest>,
    ) -> Reply<pb::ListIndicatorGroupsResponse> {
        let (caller, list): (_, ListGroups) = open(req)?;
        let (read_at, page) = catalogue::list_groups(&self.hub, &caller, list).await?;
        reply(pb::ListIndicatorGroupsResponse {
            read_at: Some(read_at.into()),
            groups: page.items.into_iter().map(|it| Arc::unwrap_or_clone(it).into()).collect(),
            next_page_token: page.next,
        })
    }

    async fn list_code_lists(
        &self,
        req: Request<pb::ListCodeListsRequest>,
    ) -> Reply<pb::ListCodeListsResponse> {
        let (caller, ListCodes { codes, consistency }): (_, ListCodes) = open(req)?;
        let (read_at, known) = catalogue::dimensions(&self.hub, &caller, consistency).await?;
        let lists = lists::code_lists(&codes, &known)?;
        reply(pb::ListCodeListsResponse { read_at: Some(read_at.into()), lists })
    }

    async fn publish_observations(
        &self,
        req: Request<pb::PublishObservationsRequest>,
    ) -> Reply<pb::PublishObservationsResponse> {
        let (caller, (ask, entries)): (_, Entries<ObservationEntry>) = open(req)?;
        let receipt = publish::observations(&self.hub, &caller, ask, entries).await?;
        done(pb::PublishObservationsResponse { receipt: Some(receipt.into()) })
    }

    type IngestObservationsStream = BoxStream<pb::IngestObservationsResponse>;

    async fn ingest_observations(
        &self,
        req: Request<Streaming<pb::IngestObservationsRequest>>,
    ) -> Reply<Self::IngestObservationsStream> {
        let (caller, messages) = open_stream(req)?;
        let progress = load::run::<_, ObservationEntry>(&self.hub, caller, messages)?;
        stream(progress)
    }

    async fn publish_targets(
        &self,
        req: Request<pb::PublishTargetsRequest>,
    ) -> Reply<pb::PublishTargetsResponse> {
        let (caller, (ask, entries)): (_, Entries<TargetEntry>) = open(req)?;
        let receipt = publish::targets(&self.hub, &caller, ask, entries).await?;
        done(pb::PublishTargetsResponse { receipt: Some(receipt.into()) })
    }

    async fn withdraw_observations(
        &self,
        req: Request<pb::WithdrawObservationsRequest>,
    ) -> Reply<pb::WithdrawObservationsResponse> {
        let (caller, (ask, withdrawal)): (_, CellKeys) = open(req)?;
        let receipt = withdraw::observations(&self.hub, &caller, ask, withdrawal).await?;
        done(pb::WithdrawObservationsResponse { receipt: Some(receipt.into()) })
    }

    async fn withdraw_targets(
        &self,
        req: Request<pb::WithdrawTargetsRequest>,
    ) -> Reply<pb::WithdrawTargetsResponse> {
        let (caller, (ask, withdrawal)): (_, CellKeys) = open(req)?;
        let receipt = withdraw::targets(&self.hub, &caller, ask, withdrawal).await?;
        done(pb::WithdrawTargetsResponse { receipt: Some(receipt.into()) })
    }

    async fn get_snapshot(
        &self,
        req: Request<pb::GetSnapshotRequest>,
    ) -> Reply<encoded::GetSnapshotResponse> {
        let (caller, asked): (_, Snapshot) = open(req)?;
        let (read_at, date, page) =
            snapshot::snapshot(&self.hub, &self.snapshots, &caller, asked).await?;
        let (read_at, judged_on) = (Some(read_at.into()), date.to_string());
        let crate::page::Paged { items: cells, next: next_page_token } = page;
        reply(encoded::GetSnapshotResponse { read_at, judged_on, cells, next_page_token })
    }

    async fn query_observations(
        &self,
        req: Request<pb::QueryObservationsRequest>,
    ) -> Reply<pb::QueryObservationsResponse> {
        let (caller, query): (_, Query) = open(req)?;
        let (read_at, page) = read::query(&self.hub, &caller, query).await?;
        reply(pb::QueryObservationsResponse {
            read_at: Some(read_at.into()),
            observations: page.items.into_iter().map(Into::into).collect(),
            next_page_token: page.next,
        })
    }

    type ExportObservationsStream = BoxStream<pb::ExportObservationsResponse>;

    async fn export_observations(
        &self,
        req: Request<pb::ExportObservationsRequest>,
    ) -> Reply<Self::ExportObservationsStream> {
        let (caller, asked): (_, Export) = open(req)?;
        let (read_at, pages) = export::export(&self.hub, caller, asked).await?;
        let observations = |page: Vec<ObservationView>| page.into_iter().map(Into::into).collect();
        sheets(read_at, pages, observations, |read_at, observations| {
            pb::ExportObservationsResponse { read_at, observations }
        })
    }

    async fn query_targets(
        &self,
        req: Request<pb::QueryTargetsRequest>,
    ) -> Reply<pb::QueryTargetsResponse> {
        let (caller, query): (_, QueryTargets) = open(req)?;
        let (read_at, page) = read::query_targets(&self.hub, &caller, query).await?;
        reply(pb::QueryTargetsResponse {
            read_at: Some(read_at.into()),
            targets: page.items.into_iter().map(Into::into).collect(),
            next_page_token: page.next,
        })
    }

    async fn roll_up(&self, req: Request<pb::RollUpRequest>) -> Reply<pb::RollUpResponse> {
        let (caller, asked): (_, RollUp) = open(req)?;
        let computed = compute::roll_up(&self.hub, &caller, asked).await?;
        reply(computed.into())
    }

    async fn rank_units(&self, req: Request<pb::RankUnitsRequest>) -> Reply<pb::RankUnitsResponse> {
        let (caller, asked): (_, Rank) = open(req)?;
        let computed = compute::rank(&self.hub, &caller, asked).await?;
        reply(computed.into())
    }

    async fn list_revisions(
        &self,
        req: Request<pb::ListRevisionsRequest>,
    ) -> Reply<pb::ListRevisionsResponse> {
        let (caller, list): (_, ListRevisions) = open(req)?;
        let (read_at, page) = versions::list_revisions(&self.hub, &caller, list).await?;
        reply(pb::ListRevisionsResponse {
            read_at: Some(read_at.into()),
            versions: page.items.into_iter().map(Into::into).collect(),
            next_page_token: page.next,
        })
    }

    async fn get_availability(
        &self,
        req: Request<pb::GetAvailabilityRequest>,
    ) -> Reply<pb::GetAvailabilityResponse> {
        let (caller, asked): (_, Availability) = open(req)?;
        let (read_at, judged_on, cells) =
            availability::availability(&self.hub, &caller, asked).await?;
        reply(pb::GetAvailabilityResponse {
            read_at: Some(read_at.into()),
            judged_on: judged_on.to_string(),
            cells: cells.into_iter().map(Into::into).collect(),
        })
    }

    async fn list_sources(
        &self,
        req: Request<pb::ListSourcesRequest>,
    ) -> Reply<pb::ListSourcesResponse> {
        let (caller, asked): (_, ListSources) = open(req)?;
        let (read_at, page) = store::sources::list(&self.hub, &caller, asked).await?;
        reply(pb::ListSourcesResponse {
            read_at: Some(read_at.into()),
            sources: page.items.into_iter().map(Into::into).collect(),
            next_page_token: page.next,
        })
    }

    async fn list_rejections(
        &self,
        req: Request<pb::ListRejectionsRequest>,
    ) -> Reply<pb::ListRejectionsResponse> {
        let (caller, asked): (_, ListRejections) = open(req)?;
        let (read_at, page) = rejections::list(&self.hub, &caller, asked).await?;
        reply(pb::ListRejectionsResponse {
            read_at: Some(read_at.into()),
            rejections: page.items.into_iter().map(TryInto::try_into).collect::<Result<_>>()?,
            next_page_token: page.next,
        })
    }
}
