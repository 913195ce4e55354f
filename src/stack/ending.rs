//! How a call ends, seen from outside: in its head, in its trailers, or by the caller hanging up.
use axum::body::Body;
use http::{HeaderMap, Response};
use http_body_util::BodyExt;
use tonic::Code;

/// Calls `then` once, when dropped: with the code that was seen, or with `Cancelled` if none was.
pub(super) struct Ending<F: FnOnce(Code)> {
    code: Option<Code>,
    then: Option<F>,
}

impl<F: FnOnce(Code) + Send + 'static> Ending<F> {
    pub(super) fn new(then: F) -> Self {
        Self { code: None, then: Some(then) }
    }

    /// Watches an answer to its end.
    pub(super) fn watch(mut self, response: Response<Body>) -> Response<Body> {
        self.saw(response.headers());
        if self.code.is_some() {
            // The head carried the status: there is no body to wait for.
            return response;
        }
        response.map(|body| {
            Body::new(body.map_frame(move |frame| {
                if let Some(trailers) = frame.trailers_ref() {
                    // A method, so that the closure owns all of `self`: naming the field alone would move only that,
                    // and drop the rest, with its report, at once.
                    self.saw(trailers);
                }
                frame
            }))
        })
    }

    fn saw(&mut self, headers: &HeaderMap) {
        if let Some(status) = headers.get("grpc-status") {
            self.code = Some(Code::from_bytes(status.as_bytes()));
        }
    }
}

impl<F: FnOnce(Code)> Drop for Ending<F> {
    fn drop(&mut self) {
        if let Some(then) = self.then.take() {
            then(self.code.unwrap_or(Code::Cancelled));
        }
    }
}
