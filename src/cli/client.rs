//! How commands reach a running hub, and how its refusals read.
use std::{error::Error as StdError, time::Duration};

use http::Uri;
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

use super::{CliResult, failure::Failure, say};
use crate::{
    config::{As, BadConfig, Exit, Target, read_file},
    pb::{
        access_service_client::AccessServiceClient, dossier_service_client::DossierServiceClient,
        feed_service_client::FeedServiceClient, hub_service_client::HubServiceClient,
        indicator_service_client::IndicatorServiceClient, unit_service_client::UnitServiceClient,
    },
};

/// Largest message that is sent or taken.
pub(super) const MOST_BYTES: usize = 64 << 20;
/// How often a call is made that the hub could not do at the moment.
const TRIES: u32 = 6;

/// How long a call may take that ends by itself.
pub(super) const LONGEST: Duration = Duration::from_secs(60);

/// A connection for the calls of a caller; a call on it ends within `longest`, if that is given.
pub(super) async fn connect(by: &As, longest: Option<Duration>) -> CliResult<Channel> {
    let shown = match (&by.cert, &by.cert_key) {
        (Some(cert), Some(key)) => {
            Some(Identity::from_pem(read_file("cert", cert)?, read_file("cert_key", key)?))
        }
        (Some(_), None) | (None, Some(_)) | (None, None) => None,
    };
    connect_as(&by.target, shown, longest).await
}

async fn connect_as(
    target: &Target,
    shown: Option<Identity>,
    longest: Option<Duration>,
) -> CliResult<Channel> {
    let url = target.url(shown.is_some())?;
    let is_tls = url.scheme_str() == Some("https");
    let unreachable = |err: &dyn StdError| {
        Failure::new(Exit::Unreachable, format!("no hub at {}: {}", name(&url), chain(err)))
    };
    let mut endpoint = Endpoint::from(url.clone()).connect_timeout(Duration::from_secs(5));
    if is_tls {
        let tls = ClientTlsConfig::new();
        let tls = match &target.ca {
            Some(ca) => tls.ca_certificate(Certificate::from_pem(read_file("ca", ca)?)),
            None => tls.with_native_roots(),
        };
        let tls = match shown {
            Some(shown) => tls.identity(shown),
            None => tls,
        };
        endpoint = endpoint.tls_config(tls).map_err(|err| BadConfig {
            key: "ca",
            must: format!("hold certificates, as `cert` and `cert_key` must: {}", chain(&err)),
        })?;
    }
    if let Some(longest) = longest {
        endpoint = endpoint.timeout(longest);
    }
    Ok(endpoint.connect().await.map_err(|err| unreachable(&err))?)
}

/// A URL without the slash at its end.
fn name(url: &Uri) -> String {
    url.to_string().trim_end_matches('/').to_owned()
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

/// Asks a hub whether it serves.
pub(super) async fn health(target: Target) -> CliResult {
    let channel = connect_as(&target, None, Some(LONGEST)).await?;
    let answer = HealthClient::new(channel).check(HealthCheckRequest::default()).await;
    let status = answer.map_err(|it| explain(&it))?.into_inner().status();
    say(status.as_str_name())?;
    match status {
        ServingStatus::Serving => Ok(()),
        ServingStatus::Unknown | ServingStatus::NotServing | ServingStatus::ServiceUnknown => {
            let text = format!("the hub at {} does not serve", name(&target.url(false)?));
            Err(Failure::new(Exit::Failed, text).into())
        }
    }
}

/// A refusal of the hub, in words and with its exit code.
pub(super) fn explain(status: &Status) -> Box<dyn StdError> {
    Failure::from(status).into()
}

/// A running hub, called with a key, a certificate, or both.
#[derive(Clone, Debug)]
pub(super) struct HubClient {
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

impl Key {
    /// What a caller sends.
    pub(super) fn of(by: &As) -> Result<Self, BadConfig> {
        let bad = |key: &'static str| {
            move |_| BadConfig { key, must: "be of ASCII characters that can be seen".to_owned() }
        };
        let key = by.key()?.map(|it| format!("Bearer {it}").parse()).transpose();
        let purpose = by.purpose.as_ref().map(|it| it.parse()).transpose();
        Ok(Self { key: key.map_err(bad("key"))?, purpose: purpose.map_err(bad("purpose"))? })
    }
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

impl HubClient {
    /// Connects.
    pub(super) async fn connect(by: &As) -> CliResult<Self> {
        let key = Key::of(by)?;
        // A stream lasts as long as it has something to say.
        let streams = connect(by, None).await?;
        Ok(Self { channel: connect(by, Some(LONGEST)).await?, streams, key })
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
) -> CliResult<T> {
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
