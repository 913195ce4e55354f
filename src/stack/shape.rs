//! Refuses what is not a gRPC call before it reaches a service.
use axum::{body::Body, extract::Request, middleware::Next};
use http::{
    HeaderValue, Method, Response, StatusCode,
    header::{ALLOW, CONTENT_TYPE},
};

use super::rescue;
use crate::error::{Error, Reason};

pub(super) async fn check(req: Request, next: Next) -> Response<Body> {
    let kind = req.headers().get(CONTENT_TYPE).and_then(|it| it.to_str().ok()).unwrap_or_default();
    let is_grpc = matches!(kind, "application/grpc" | "application/grpc+proto");
    let status = match req.method() == Method::POST {
        true if is_grpc => return next.run(req).await,
        false if is_grpc => StatusCode::METHOD_NOT_ALLOWED,
        true | false => StatusCode::UNSUPPORTED_MEDIA_TYPE,
    };
    let what = "this is not a gRPC call: POST with content-type application/grpc";
    let mut answer = rescue::answer(Error::new(Reason::NotGrpc, what));
    // For those who do not read the status of gRPC.
    *answer.status_mut() = status;
    if status == StatusCode::METHOD_NOT_ALLOWED {
        answer.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
    }
    answer
}
