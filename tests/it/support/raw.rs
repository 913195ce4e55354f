//! A caller that keeps to no client library's manners: it sends any head and any bytes, and sees all of the answer.
use std::net::SocketAddr;

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, request};
use http_body_util::BodyExt;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use sharehub::pki::Pair;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::support::pki::connector;

/// One connection.
#[derive(Clone)]
pub struct Raw(SendRequest<Body>);

impl Raw {
    pub async fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap()).await
    }

    /// Over TLS, showing this certificate.
    pub async fn secure(address: SocketAddr, shown: &Pair) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let connector = connector(Some(shown), false, &["h2"]);
        Self::over(connector.connect(name, stream).await.unwrap()).await
    }

    async fn over(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Self {
        let io = TokioIo::new(stream);
        let (send, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
        tokio::spawn(async move { drop(connection.await) });
        Self(send)
    }

    /// Whether the other side has closed it.
    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    /// The head of the answer, or why there is none.
    pub async fn begin(
        &self,
        req: Request<Body>,
    ) -> hyper::Result<Response<hyper::body::Incoming>> {
        let mut send = self.0.clone();
        send.ready().await?;
        send.send_request(req).await
    }

    /// The whole answer, or why there is none.
    pub async fn try_call(&self, req: Request<Body>) -> hyper::Result<Answer> {
        let (head, body) = self.begin(req).await?.into_parts();
        let body = body.collect().await?;
        let trailers = body.trailers().cloned().unwrap_or_default();
        let http::response::Parts { status, headers, .. } = head;
        Ok(Answer { http: status, head: headers, data: body.to_bytes(), trailers })
    }

    /// The whole answer.
    pub async fn call(&self, req: Request<Body>) -> Answer {
        self.try_call(req).await.expect("the hub answers")
    }
}

/// All of an answer.
#[derive(Debug)]
pub struct Answer {
    pub http: StatusCode,
    pub head: HeaderMap,
    pub data: Bytes,
    pub trailers: HeaderMap,
}

impl Answer {
    /// Its status, from the head or from the trailers.
    pub fn status(&self) -> Status {
        Status::from_header_map(&self.head)
            .or_else(|| Status::from_header_map(&self.trailers))
            .unwrap_or_else(|| panic!("an answer without a status: {self:?}"))
    }

    pub fn code(&self) -> Code {
        self.status().code()
    }

    /// The reason of a refusal, without its prefix; empty for an answer.
    pub fn reason(&self) -> String {
        let Some(info) = self.status().get_details_error_info() else { return String::new() };
        assert_eq!(info.domain, "sharehub.gov.vn");
        info.reason.strip_prefix("ERROR_REASON_").expect("a reason of ours").to_owned()
    }
}

/// A message in its frame.
pub fn frame(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap();
    announced(length, message)
}

/// Bytes in a frame that announces any length.
pub fn announced(length: u32, bytes: &[u8]) -> Vec<u8> {
    let mut frame = vec![0];
    frame.extend(length.to_be_bytes());
    frame.extend(bytes);
    frame
}

/// The head of a gRPC call.
pub fn post(path: &str, key: Option<&str>) -> request::Builder {
    let head = Request::post(format!("http://hub{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("sharehub-purpose", crate::support::client::PURPOSE);
    match key {
        Some(key) => head.header("authorization", format!("Bearer {key}")),
        None => head,
    }
}

/// A whole gRPC call with one message.
pub fn unary(path: &str, key: Option<&str>, message: &[u8]) -> Request<Body> {
    post(path, key).body(Body::from(frame(message))).unwrap()
}
