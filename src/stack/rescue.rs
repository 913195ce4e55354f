//! Turns panics and bare statuses into refusals with a reason.
use std::any::Any;

use axum::{body::Body, extract::Request, middleware::Next};
use http::Response;
use tonic::{Code, Status};

use crate::error::{Error, Reason};

/// A refusal as an HTTP response.
pub(super) fn answer(err: Error) -> Response<Body> {
    Status::from(err).into_http()
}

/// A handler panicked.
#[expect(clippy::needless_pass_by_value, reason = "the layer's own signature")]
pub(super) fn panicked(panic: Box<dyn Any + Send>) -> Response<Body> {
    let what = panic
        .downcast_ref::<&str>()
        .map(|it| (*it).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    answer(Error::internal(format!("panic: {what}")))
}

/// Gives a reason to what the transport library refuses by itself, before any handler runs.
pub(super) async fn explain(req: Request, next: Next) -> Response<Body> {
    let response = next.run(req).await;
    let headers = response.headers();
    if headers.contains_key("grpc-status-details-bin") {
        return response;
    }
    let Some(status) = Status::from_header_map(headers) else { return response };
    let err = match status.code() {
        Code::Ok => return response,
        Code::Unimplemented if status.message().is_empty() => {
            Error::new(Reason::MethodUnknown, "the hub has no such method")
        }
        // Compression that was not agreed on.
        Code::Unimplemented => Error::new(Reason::MethodUnknown, status.message()),
        Code::OutOfRange | Code::ResourceExhausted => {
            Error::new(Reason::MessageTooLarge, "the message is larger than the hub takes")
        }
        Code::InvalidArgument | Code::Internal | Code::Unknown => {
            let what = "the call is not made as gRPC makes it: one framed message is expected";
            Error::new(Reason::MessageMalformed, what)
        }
        Code::Cancelled
        | Code::DeadlineExceeded
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::Unavailable
        | Code::DataLoss
        | Code::Unauthenticated => Error::internal(format!("a bare status: {status:?}")),
    };
    answer(err)
}
