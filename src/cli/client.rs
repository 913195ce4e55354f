//! How commands reach a running hub, and how its refusals read.
use std::{error::Error as StdError, time::Duration};

use tokio::time;
use tonic::{
    Code, Request, Status,
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::{Channel, Endpoint},
};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic_types::StatusExt;

use super::{Outcome, say};
use crate::{
    config::{As, Target},
    pb::{
        dossier_service_client::DossierServiceClient, feed_service_client::FeedServiceClient,
        hub_service_client::HubServiceClient, indicator_service_client::IndicatorServiceClient,
        unit_service_client::UnitServiceClient,
    },
};

/// Largest message that is sent or taken.
const MOST_BYTES: usize = 64 << 20;
/// How often a call is made that the hub could not do at the moment.
const TRIES: u32 = 6;

pub(super) async fn connect(target: &Target) -> Outcome<Channel> {
    connect_for(target, Some(Duration::from_secs(60))).await
}

async fn connect_for(target: &Target, longest: Option<Duration>) -> Outcome<Channel> {
    let endpoint = Endpoint::from_shared(target.target.clone())?;
    let mut endpoint = endpoint.connect_timeout(Duration::from_secs(5));
    if let Some(longest) = longest {
        endpoint = endpoint.timeout(longest);
    }
    endpoint.connect().await.map_err(|err| format!("no hub at {}: {err}", target.target).into())
}

pub(super) async fn health(target: Target) -> Outcome {
    let mut client = HealthClient::new(connect(&target).await?);
    let answer = client.check(HealthCheckRequest::default()).await?.into_inner();
    let status = answer.status();
    say(status.as_str_name())?;
    match status {
        ServingStatus::Serving => Ok(()),
        ServingStatus::Unknown | ServingStatus::NotServing | ServingStatus::ServiceUnknown => {
            Err(format!("the hub at {} does not serve", target.target).into())
        }
    }
}

/// A refusal in words: code, message, reason, and every bad field.
pub(super) fn explain(status: &Status) -> Box<dyn StdError> {
    let mut text = format!("{:?}: {}", status.code(), status.message());
    if let Some(info) = status.get_details_error_info() {
        text.push_str(&format!("\n  reason: {}", info.reason));
    }
    for it in status.get_details_bad_request().into_iter().flat_map(|it| it.field_violations) {
        text.push_str(&format!("\n  {}: {}", it.field, it.description));
    }
    text.into()
}

/// A running hub, called with a key.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    channel: Channel,
    streams: Channel,
    key: Key,
}

/// Sends the key with each call.
#[derive(Clone, Debug)]
pub(super) struct Key(MetadataValue<Ascii>);

impl Interceptor for Key {
    fn call(&mut self, mut req: Request<()>) -> Result<Request<()>, Status> {
        req.metadata_mut().insert("authorization", self.0.clone());
        Ok(req)
    }
}

type Keyed = InterceptedService<Channel, Key>;

impl Caller {
    /// Connects.
    pub(super) async fn connect(by: &As) -> Outcome<Self> {
        let As { target, key } = by;
        let key = Key(format!("Bearer {key}").parse()?);
        // A stream lasts as long as it has something to say.
        let streams = connect_for(target, None).await?;
        Ok(Self { channel: connect(target).await?, streams, key })
    }

    fn over(&self, channel: &Channel) -> Keyed {
        InterceptedService::new(channel.clone(), self.key.clone())
    }

    /// The hub itself.
    pub(super) fn hub(&self) -> HubServiceClient<Keyed> {
        HubServiceClient::new(self.over(&self.channel))
    }

    /// Units.
    pub(super) fn units(&self) -> UnitServiceClient<Keyed> {
        let client = UnitServiceClient::new(self.over(&self.channel));
        client.max_decoding_message_size(MOST_BYTES)
    }

    /// Indicators.
    pub(super) fn indicators(&self) -> IndicatorServiceClient<Keyed> {
        let client = IndicatorServiceClient::new(self.over(&self.channel));
        client.max_decoding_message_size(MOST_BYTES)
    }

    /// Indicators, over streams.
    pub(super) fn indicator_streams(&self) -> IndicatorServiceClient<Keyed> {
        let client = IndicatorServiceClient::new(self.over(&self.streams));
        client.max_decoding_message_size(MOST_BYTES)
    }

    /// The feed.
    pub(super) fn feed(&self) -> FeedServiceClient<Keyed> {
        let client = FeedServiceClient::new(self.over(&self.streams));
        client.max_decoding_message_size(MOST_BYTES)
    }

    /// Dossiers.
    pub(super) fn dossiers(&self) -> DossierServiceClient<Keyed> {
        let client = DossierServiceClient::new(self.over(&self.channel));
        client.max_decoding_message_size(MOST_BYTES)
    }

    /// Dossiers, over streams.
    pub(super) fn dossier_streams(&self) -> DossierServiceClient<Keyed> {
        let client = DossierServiceClient::new(self.over(&self.streams));
        client.max_decoding_message_size(MOST_BYTES)
    }
}

/// Whether the same call may succeed a little later: the hub says so, or it was not the hub that ended the call.
pub(super) fn may_pass(status: &Status) -> bool {
    let is_from_hub = status.get_details_error_info().is_some();
    !is_from_hub
        || status.get_details_retry_info().is_some()
        || status.code() == Code::DeadlineExceeded
}

/// Makes a call that may be made again, again while the hub cannot do it at the moment.
pub(super) async fn again<T>(
    mut call: impl AsyncFnMut() -> Result<tonic::Response<T>, Status>,
) -> Outcome<T> {
    let mut wait = Duration::from_millis(200);
    for _ in 1..TRIES {
        match call().await {
            Ok(answer) => return Ok(answer.into_inner()),
            Err(status) if may_pass(&status) => time::sleep(wait).await,
            Err(status) => return Err(explain(&status)),
        }
        wait *= 2;
    }
    Ok(call().await.map_err(|it| explain(&it))?.into_inner())
}
