//! How commands reach a running hub, and how its refusals read.
use std::{error::Error as StdError, fs, path::PathBuf, time::Duration};

use tokio::time;
use tonic::{
    Code, Request, Status,
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity},
};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic_types::StatusExt;

use super::{Outcome, say};
use crate::{
    config::{As, Target},
    pb::{
        access_service_client::AccessServiceClient, dossier_service_client::DossierServiceClient,
        feed_service_client::FeedServiceClient, hub_service_client::HubServiceClient,
        indicator_service_client::IndicatorServiceClient, unit_service_client::UnitServiceClient,
    },
};

/// Largest message that is sent or taken.
const MOST_BYTES: usize = 64 << 20;
/// How often a call is made that the hub could not do at the moment.
const TRIES: u32 = 6;

/// A connection to a hub for calls that end by themselves.
pub(super) async fn connect(target: &Target) -> Outcome<Channel> {
    connect_as(target, None, Some(Duration::from_secs(60))).await
}

/// The same, as whoever calls.
pub(super) async fn connect_by(by: &As) -> Outcome<Channel> {
    connect_as(&by.target, identity(by)?, Some(Duration::from_secs(60))).await
}

async fn connect_as(
    target: &Target,
    shown: Option<Identity>,
    longest: Option<Duration>,
) -> Outcome<Channel> {
    let url = target.url();
    let mut endpoint = Endpoint::from_shared(url.clone())?.connect_timeout(Duration::from_secs(5));
    match (&target.ca, url.starts_with("https://")) {
        (Some(ca), true) => {
            let mut tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read(ca)?));
            if let Some(shown) = shown {
                tls = tls.identity(shown);
            }
            endpoint = endpoint.tls_config(tls)?;
        }
        (None, true) => return Err("a target with https:// needs --ca".into()),
        (Some(_), false) => return Err("--ca is of use for a target with https:// only".into()),
        (None, false) => {}
    }
    if let Some(longest) = longest {
        endpoint = endpoint.timeout(longest);
    }
    endpoint.connect().await.map_err(|err| format!("no hub at {url}: {}", chain(&err)).into())
}

/// The certificate that the caller shows, if it has one.
fn identity(by: &As) -> Outcome<Option<Identity>> {
    match (&by.cert, &by.cert_key) {
        (Some(cert), Some(key)) => Ok(Some(Identity::from_pem(read(cert)?, read(key)?))),
        (Some(_), None) | (None, Some(_)) => Err("--cert and --cert-key go together".into()),
        (None, None) => Ok(None),
    }
}

fn read(path: &PathBuf) -> Outcome<Vec<u8>> {
    fs::read(path).map_err(|err| format!("{}: {err}", path.display()).into())
}

/// An error, with what caused it: of a handshake, only the last one says why.
fn chain(err: &dyn StdError) -> String {
    let mut text = err.to_string();
    let mut next = err.source();
    while let Some(err) = next {
        text.push_str(&format!(": {err}"));
        next = err.source();
    }
    text
}

/// The metadata that carries a key.
pub(super) fn bearer(by: &As) -> Outcome<Option<MetadataValue<Ascii>>> {
    Ok(by.key.as_ref().map(|key| format!("Bearer {key}").parse()).transpose()?)
}

pub(super) async fn health(target: Target) -> Outcome {
    let mut client = HealthClient::new(connect(&target).await?);
    let answer = client.check(HealthCheckRequest::default()).await?.into_inner();
    let status = answer.status();
    say(status.as_str_name())?;
    match status {
        ServingStatus::Serving => Ok(()),
        ServingStatus::Unknown | ServingStatus::NotServing | ServingStatus::ServiceUnknown => {
            Err(format!("the hub at {} does not serve", target.url()).into())
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

/// A running hub, called with a key, a certificate, or both.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    channel: Channel,
    streams: Channel,
    key: Key,
}

/// Sends the key, if there is one, with each call, and the purpose, likewise.
#[derive(Clone, Debug)]
pub(super) struct Key {
    key: Option<MetadataValue<Ascii>>,
    purpose: Option<MetadataValue<Ascii>>,
}

impl Interceptor for Key {
    fn call(&mut self, mut req: Request<()>) -> Result<Request<()>, Status> {
        if let Some(key) = &self.key {
            req.metadata_mut().insert("authorization", key.clone());
        }
        if let Some(purpose) = &self.purpose {
            req.metadata_mut().insert("sharehub-purpose", purpose.clone());
        }
        Ok(req)
    }
}

type Keyed = InterceptedService<Channel, Key>;

impl Caller {
    /// Connects.
    pub(super) async fn connect(by: &As) -> Outcome<Self> {
        let purpose = by.purpose.as_ref().map(|it| it.parse()).transpose()?;
        let key = Key { key: bearer(by)?, purpose };
        // A stream lasts as long as it has something to say.
        let streams = connect_as(&by.target, identity(by)?, None).await?;
        Ok(Self { channel: connect_by(by).await?, streams, key })
    }

    fn over(&self, channel: &Channel) -> Keyed {
        InterceptedService::new(channel.clone(), self.key.clone())
    }

    /// The hub itself.
    pub(super) fn hub(&self) -> HubServiceClient<Keyed> {
        HubServiceClient::new(self.over(&self.channel))
    }

    /// Systems and agreements.
    pub(super) fn access(&self) -> AccessServiceClient<Keyed> {
        AccessServiceClient::new(self.over(&self.channel))
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
