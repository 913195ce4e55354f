//! The client and the echo: one listener like the hub's, which answers the same bytes whatever it is asked.
use std::{marker::PhantomData, sync::Arc, time::Duration};

use axum::{Router, body::Body, routing::post};
use bytes::{BufMut, Bytes};
use futures_util::future::BoxFuture;
use http::Request as HttpRequest;
use prost::Message;
use sharehub::{
    limits::Limits,
    pb,
    server::{self, tls::Tls},
    wire::codec::Codec,
};
use tokio::{net::TcpListener, sync::watch};
use tokio_util::sync::CancellationToken;
use tonic::{
    Request, Response, Status,
    client::Grpc as Client,
    codegen::http::uri::PathAndQuery,
    metadata::MetadataMap,
    server::{Grpc as Server, UnaryService},
    transport::{Channel, Endpoint},
};

use crate::turns::{Way, way};

pub const DOSSIER: &str = "/sharehub.v1.DossierService/GetDossier";
pub const SNAPSHOT: &str = "/sharehub.v1.IndicatorService/GetSnapshot";
pub const RANK: &str = "/sharehub.v1.IndicatorService/RankUnits";
pub const QUERY: &str = "/sharehub.v1.IndicatorService/QueryObservations";
pub const PUBLISH: &str = "/sharehub.v1.IndicatorService/PublishObservations";

/// What a call sends beside its message: by whom it is, and for what.
pub type Key = MetadataMap;

/// That of a key.
pub fn bearer(key: &str) -> Key {
    let mut sent = Key::new();
    sent.insert("authorization", format!("Bearer {key}").parse().unwrap());
    sent
}

/// The echo identifies nobody, so nobody has to go for that.
fn unhurried() -> Limits {
    Limits { identify_within: Duration::from_secs(3_600), ..Limits::default() }
}

pub async fn serve(services: Router, health: tonic_health::server::HealthReporter) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let door = server::Endpoint::new(listener, &unhurried(), Arc::default());
    tokio::spawn(server::serve(door, services, health, CancellationToken::new()));
    address
}

/// The same over TLS, to clients that show certificates of the same authority. The address without its scheme.
pub async fn serve_tls(
    services: Router,
    health: tonic_health::server::HealthReporter,
    tls: Tls,
) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut door = server::Endpoint::new(listener, &unhurried(), Arc::default());
    let (told, follow) = watch::channel(Arc::new(tls));
    door.tls = Some(follow);
    tokio::spawn(async move {
        server::serve(door, services, health, CancellationToken::new()).await;
        drop(told);
    });
    address
}

/// A connection carries at most 100 calls at a time: several, so that 128 fit.
pub async fn channels(address: &str) -> Vec<Channel> {
    opened(&Endpoint::from_shared(address.to_owned()).unwrap()).await
}

/// The same over an endpoint of whatever kind.
pub async fn opened(endpoint: &Endpoint) -> Vec<Channel> {
    let mut channels = Vec::new();
    for _ in 0..4 {
        channels.push(endpoint.connect().await.unwrap());
    }
    channels
}

pub async fn call<M, A>(
    channel: Channel,
    path: &'static str,
    ask: M,
    key: &Key,
) -> Result<A, Status>
where
    M: Message + Send + Sync + 'static,
    A: Message + Default + Send + Sync + 'static,
{
    let mut client = Client::new(channel).max_decoding_message_size(64 << 20);
    client.ready().await.map_err(|err| Status::from_error(Box::new(err)))?;
    let mut req = Request::new(ask);
    *req.metadata_mut() = key.clone();
    let path = PathAndQuery::from_static(path);
    Ok(client.unary(req, path, Codec::<M, A>::default()).await?.into_inner())
}

/// A call of the wire, as a way.
pub fn wired<M, A>(
    channels: &[Channel],
    path: &'static str,
    key: &Key,
    ask: impl Fn(usize) -> M + Send + Sync + 'static,
) -> Way
where
    M: Message + Send + Sync + 'static,
    A: Message + Default + Send + Sync + 'static,
{
    let (channels, key) = (channels.to_vec(), key.clone());
    let ask = Arc::new(ask);
    way(move |i| {
        let (channel, key, ask) =
            (channels[i % channels.len()].clone(), key.clone(), Arc::clone(&ask));
        async move { call::<M, A>(channel, path, ask(i), &key).await.is_ok() }
    })
}

/// Echoes of the two answers. The bytes are ready: the limit that a hub could reach.
pub fn echoes(dossier: &pb::GetDossierResponse, snapshot: &pb::GetSnapshotResponse) -> Router {
    Router::new()
        .route(DOSSIER, post(echo_of::<pb::GetDossierRequest>(ready(dossier))))
        .route(SNAPSHOT, post(echo_of::<pb::GetSnapshotRequest>(ready(snapshot))))
}

/// A message that is its encoding.
#[derive(Clone, Debug, Default)]
struct Ready(Bytes);

fn ready(message: &impl Message) -> Ready {
    Ready(message.encode_to_vec().into())
}

impl Message for Ready {
    fn encode_raw(&self, buf: &mut impl BufMut) {
        buf.put_slice(&self.0);
    }

    fn encoded_len(&self) -> usize {
        self.0.len()
    }

    fn merge_field(
        &mut self,
        _: u32,
        _: prost::encoding::WireType,
        _: &mut impl bytes::Buf,
        _: prost::encoding::DecodeContext,
    ) -> Result<(), prost::DecodeError> {
        unreachable!("it is only answered")
    }

    fn clear(&mut self) {}
}

fn echo_of<M: Message + Default + 'static>(
    answer: Ready,
) -> impl Fn(HttpRequest<Body>) -> BoxFuture<'static, http::Response<Body>> + Clone + Send + Sync + 'static
{
    move |req| {
        let echo = Echo { answer: answer.clone(), asked: PhantomData::<M> };
        Box::pin(async move {
            let mut grpc = Server::new(Codec::<Ready, M>::default());
            grpc.unary(echo, req).await.map(Body::new)
        })
    }
}

struct Echo<M> {
    answer: Ready,
    asked: PhantomData<M>,
}

impl<M: Send + 'static> UnaryService<M> for Echo<M> {
    type Response = Ready;
    type Future = std::future::Ready<Result<Response<Ready>, Status>>;

    fn call(&mut self, _: Request<M>) -> Self::Future {
        std::future::ready(Ok(Response::new(self.answer.clone())))
    }
}
