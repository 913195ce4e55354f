//! Refuses what is not a gRPC call before it reaches a service.
use axum::{body::Body, extract::Request, middleware::Next};
use http::{Method, Response, header::CONTENT_TYPE};

use super::rescue;
use crate::error::{Error, Reason};

pub(super) async fn check(req: Request, next: Next) -> Response<Body> {
    let kind = req.headers().get(CONTENT_TYPE).and_then(|it| it.to_str().ok()).unwrap_or_default();
    let is_grpc = matches!(kind, "application/grpc" | "application/grpc+proto");
    if req.method() != Method::POST || !is_grpc {
        let what = "this is not a gRPC call: POST with content-type application/grpc";
        return rescue::answer(Error::new(Reason::NotGrpc, what));
    }
    next.run(req).await
}
