//! A span per request, joined to the caller's trace, and one log line when it ends.
use std::{sync::Arc, time::Instant};

use axum::{body::Body, extract::Request, middleware::Next};
use http::{HeaderMap, HeaderValue, Response};
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tonic::Code;
use tracing::{Instrument, Span, field::Empty, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::{ending::Ending, measure::name};
use crate::{code_name::code_name, outcome::Tally};

/// Takes a caller's own request id away unless it is a short word: it would go into the log as it came.
pub(super) async fn plain_id(mut req: Request, next: Next) -> Response<Body> {
    let is_plain = |it: &HeaderValue| {
        let word = it.as_bytes();
        let is_letter = |it: &u8| it.is_ascii_alphanumeric() || b"-_.:".contains(it);
        (1..=128).contains(&word.len()) && word.iter().all(is_letter)
    };
    if !req.headers().get("x-request-id").is_some_and(is_plain) {
        req.headers_mut().remove("x-request-id");
    }
    next.run(req).await
}

pub(super) async fn trace(mut req: Request, next: Next) -> Response<Body> {
    let method = name(req.uri().path());
    let span = info_span!(
        "rpc",
        otel.name = method,
        otel.kind = "server",
        otel.status_code = Empty,
        rpc.system.name = "grpc",
        rpc.method = method,
        rpc.response.status_code = Empty,
        request.id = req.headers().get("x-request-id").and_then(|it| it.to_str().ok()),
        caller.system = Empty,
    );
    let parent = TraceContextPropagator::new().extract(&Headers(req.headers()));
    if span.set_parent(parent).is_err() {
        tracing::trace!("no exporter: the caller's trace is not joined");
    }
    let began = Instant::now();
    let tally = Arc::<Tally>::default();
    req.extensions_mut().insert(Arc::clone(&tally));
    let ending = {
        let span = span.clone();
        Ending::new(move |code| span.in_scope(|| ended(&span, method, code, began, &tally)))
    };
    let response = next.run(req).instrument(span).await;
    ending.watch(response)
}

fn ended(span: &Span, method: &str, code: Code, began: Instant, tally: &Tally) {
    let spelled = code_name(code);
    let ms = began.elapsed().as_secs_f64() * 1e3;
    span.record("rpc.response.status_code", spelled);
    match code {
        // Faults of ours.
        Code::Internal | Code::Unknown | Code::DataLoss => {
            span.record("otel.status_code", "ERROR");
            tracing::error!(method, code = spelled, ms, "answered");
        }
        // Not the caller's fault, and it may pass.
        Code::Unavailable | Code::DeadlineExceeded | Code::ResourceExhausted | Code::Aborted => {
            span.record("otel.status_code", "ERROR");
            tracing::warn!(method, code = spelled, ms, "answered");
        }
        Code::Ok
        | Code::Cancelled
        | Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::FailedPrecondition
        | Code::OutOfRange
        | Code::Unimplemented
        | Code::Unauthenticated => {
            // Of a write; other calls have no such fields.
            let counts = tally.counts();
            tracing::info!(
                method,
                code = spelled,
                ms,
                created = counts.map(|it| it.created),
                corrected = counts.map(|it| it.corrected),
                unchanged = counts.map(|it| it.unchanged),
                rejected = counts.map(|it| it.rejected),
                "answered"
            );
        }
    }
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}
