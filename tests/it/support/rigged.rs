//! A service that misbehaves on demand, behind the layers of the hub.
use std::{
    future::pending,
    net::SocketAddr,
    sync::{Arc, LazyLock},
};

use axum::{Router, body::Body, routing::any};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::Frame;
use http_body_util::StreamBody;
use sharehub::{
    error::{Error, Reason},
    limits::Limits,
    server::{self, Endpoint},
    stack::{self, measure::Meter},
};
use tokio::{net::TcpListener, sync::Notify};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};

use crate::support::{
    call_log::{Ending, GET_UNIT, LOG},
    client::Key,
    hub::{Hub, audit_key, slow},
    raw::{frame, post},
};

// === what a handler can do to the stack ===

/// A stack around handlers that misbehave as they are told by the header `x-ending`.
pub struct Rigged {
    pub address: SocketAddr,
    pub meter: Arc<Meter>,
    pub key: String,
    pub gate: Arc<Gate>,
    pub stop: CancellationToken,
    pub _hub: Hub,
}

/// Where a waiting handler says that it has begun, and is let go.
#[derive(Default)]
pub struct Gate {
    pub begun: Notify,
    pub go: Notify,
}

impl Rigged {
    pub async fn start(limits: Limits) -> Self {
        LazyLock::force(&LOG);
        let hub = Hub::start().await;
        // The same store, so that keys are known, with other limits.
        let (rigged, _) = server::start(hub.hub.db.clone(), limits, audit_key()).await.unwrap();
        let gate = Arc::<Gate>::default();
        let handler = {
            let gate = Arc::clone(&gate);
            move |req: Request<Body>| misbehave(Arc::clone(&gate), req)
        };
        let meter = Arc::<Meter>::default();
        let services = Router::new().route(GET_UNIT, any(handler));
        let services = stack::wrap(
            stack::identified(services, &rigged.hub, &rigged.access),
            &rigged.hub,
            &rigged.access,
            &meter,
        );
        let (health, _) = tonic_health::server::health_reporter();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let door = Endpoint::new(listener, &slow(), Arc::default());
        tokio::spawn(server::serve(door, services, health, stop.clone()));
        let Key(key) = hub.admin().key;
        Self { address, meter, key: key.unwrap(), gate, stop, _hub: hub }
    }

    pub fn request(&self, ending: &str) -> Request<Body> {
        let head = post(GET_UNIT, Some(&self.key)).header("x-ending", ending);
        head.body(Body::from(frame(b""))).unwrap()
    }

    pub fn ending(&self, name: &'static str, code: Code, reason: &'static str) -> Ending {
        Ending { name, request: self.request(name), method: GET_UNIT, code, reason }
    }
}

impl Drop for Rigged {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

pub fn fine() -> Response<Body> {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    streamed(vec![Ok(Frame::data(frame(b"").into())), Ok(Frame::trailers(trailers))])
}

pub fn streamed(frames: Vec<Result<Frame<Bytes>, std::io::Error>>) -> Response<Body> {
    let body = StreamBody::new(futures_util::stream::iter(frames));
    let response = Response::builder().header("content-type", "application/grpc");
    response.body(Body::new(body)).unwrap()
}

pub async fn misbehave(gate: Arc<Gate>, req: Request<Body>) -> Response<Body> {
    match req.headers()["x-ending"].to_str().unwrap() {
        "fine" => fine(),
        "panic" => panic!("a rigged panic"),
        "slow" => pending().await,
        "internal" => Status::from(Error::internal("the secret: the disk is on fire")).into_http(),
        "refused" => Status::from(Error::new(Reason::NotAggregable, "no")).into_http(),
        "broken" => {
            let status = Status::from(Error::unavailable("the store is gone"));
            let mut trailers = HeaderMap::new();
            status.add_header(&mut trailers).unwrap();
            let data = || Ok(Frame::data(frame(b"abc").into()));
            streamed(vec![data(), data(), Ok(Frame::trailers(trailers))])
        }
        "vanishing" => {
            let data = Ok(Frame::data(frame(b"abc").into()));
            streamed(vec![data, Err(std::io::Error::other("gone"))])
        }
        "endless" => {
            gate.begun.notify_one();
            let first = futures_util::stream::iter([Ok::<_, std::io::Error>(Frame::data(
                Bytes::from(frame(b"abc")),
            ))]);
            let body = futures_util::StreamExt::chain(first, futures_util::stream::pending());
            let response = Response::builder().header("content-type", "application/grpc");
            response.body(Body::new(StreamBody::new(body))).unwrap()
        }
        "waiting" => {
            gate.begun.notify_one();
            gate.go.notified().await;
            fine()
        }
        other => panic!("no such ending: {other}"),
    }
}
