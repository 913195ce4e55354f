//! Leaves a record of every call, and lets no personal data out before its record is durable.
use std::{sync::Arc, time::Instant};

use axum::{
    body::Body,
    extract::{Request, State},
    middleware::Next,
};
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::{deadline::Deadline, rescue};
use crate::{
    error::{Error, Reason},
    hub::Hub,
    log::{
        Permit,
        record::{Answered, Phase},
        trail::Trail,
        wire::{
            read,
            shape::{Method, method},
        },
    },
    outcome::Tally,
};

/// Methods that show no data but the caller's own, or only hashes: they leave a record when they are refused.
pub(crate) const SILENT: [&str; 5] = [
    "AccessService/WhoAmI",
    "AuditService/GetCheckpoint",
    "AuditService/ProveConsistency",
    "AuditService/ProveInclusion",
    "HubService/GetInfo",
];

pub(super) async fn record(
    State(hub): State<Arc<Hub>>,
    mut req: Request,
    next: Next,
) -> Response<Body> {
    let Some(method) = method(req.uri().path()) else { return next.run(req).await };
    let until = req.extensions().get::<Deadline>().map(|it| it.ours_too);
    let until = until.unwrap_or_else(|| Instant::now() + hub.limits.longest);
    let is_silent = SILENT.contains(&method.name.as_str());
    let place = match hub.audit.place(until).await {
        Ok(place) => Some(place),
        Err(_) if is_silent => None,
        Err(err) => return rescue::answer(err),
    };
    let tally = req.extensions().get::<Arc<Tally>>().cloned().unwrap_or_default();
    let trail = Trail::new(method, header(&req, "x-request-id"), trace_id(&req), tally);
    req.extensions_mut().insert(Arc::clone(&trail));
    let heard = Arc::clone(&trail);
    let req = req.map(|body| {
        Body::new(body.map_frame(move |frame| {
            if let Some(bytes) = frame.data_ref() {
                heard.heard(bytes);
            }
            frame
        }))
    });
    let mut call =
        CallInFlight { hub, method, trail, is_silent, until, place, answered: Answered::default() };
    let response = next.run(req).await;
    if response.headers().contains_key("grpc-status") {
        // The head carries the status: there is no more to come.
        let (code, reason) = ended(response.headers());
        call.end(Phase::Whole, code, reason);
        return response;
    }
    match call.open().await {
        Ok(()) => call.watch(response),
        Err(err) => rescue::answer(err),
    }
}

fn header(req: &Request, name: &str) -> String {
    let value = req.headers().get(name).and_then(|it| it.to_str().ok());
    value.unwrap_or_default().to_owned()
}

/// The trace id in the caller's `traceparent`: `00-<trace id>-<span id>-<flags>`.
fn trace_id(req: &Request) -> String {
    let parent = header(req, "traceparent");
    let id = parent.split('-').nth(1).unwrap_or_default();
    let is_id = id.len() == 32 && id.bytes().all(|it| it.is_ascii_hexdigit());
    if is_id { id.to_ascii_lowercase() } else { String::new() }
}

/// A call on its way. When it is dropped before it has ended, it was cancelled, and is recorded as that.
struct CallInFlight {
    hub: Arc<Hub>,
    method: &'static Method,
    trail: Arc<Trail>,
    is_silent: bool,
    until: Instant,
    /// Where its last record goes.
    place: Option<Permit>,
    answered: Answered,
}

impl CallInFlight {
    /// A stream is on record before its first message.
    async fn open(&self) -> Result<(), Error> {
        if !self.method.answers_stream {
            return Ok(());
        }
        let (nothing, opened) = (Answered::default(), self.hub.audit.place(self.until).await?);
        opened.send(self.trail.record(Phase::Opened, Code::Ok, Reason::Unspecified, nothing));
        Ok(())
    }

    /// Watches an answer to its end, and lets its messages pass.
    fn watch(self, response: Response<Body>) -> Response<Body> {
        let (head, body) = response.into_parts();
        let frames = stream::unfold(Some((self, body)), async |open| {
            let (mut call, mut body) = open?;
            let frame = match body.frame().await? {
                Ok(frame) => frame,
                Err(err) => return Some((Err(err), None)),
            };
            if let Some(trailers) = frame.trailers_ref() {
                let (code, reason) = ended(trailers);
                call.end(call.last_phase(), code, reason);
            } else if let Some(bytes) = frame.data_ref()
                && let Err(err) = call.part(bytes).await
            {
                call.end(call.last_phase(), err.code(), err.reason());
                let mut trailers = HeaderMap::new();
                let told = Status::from(err).add_header(&mut trailers);
                return told.is_ok().then(|| (Ok(Frame::trailers(trailers)), None));
            }
            Some((Ok(frame), Some((call, body))))
        });
        Response::from_parts(head, Body::new(StreamBody::new(frames)))
    }

    /// What the last record is of.
    fn last_phase(&self) -> Phase {
        if self.method.answers_stream { Phase::Closed } else { Phase::Whole }
    }

    /// Messages are about to leave: not before the record of what is personal in them is durable.
    async fn part(&mut self, bytes: &Bytes) -> Result<(), Error> {
        let mut part = Answered::default();
        let personal = read::answered(self.method, bytes, &mut part);
        self.answered.items += part.items;
        self.answered.revision = self.answered.revision.max(part.revision);
        if !personal {
            return Ok(());
        }
        self.answered.personal = true;
        let (code, reason) = (Code::Ok, Reason::Unspecified);
        if self.method.answers_stream {
            let until = Instant::now() + self.hub.limits.longest;
            let place = self.hub.audit.place(until).await?;
            return place.durable(self.trail.record(Phase::Part, code, reason, part), until).await;
        }
        // The one record of the call: its answer is one message.
        let Some(place) = self.place.take() else { return Ok(()) };
        place.durable(self.trail.record(Phase::Whole, code, reason, part), self.until).await
    }

    /// The last record, unless the call left one with what it did.
    fn end(&mut self, phase: Phase, code: Code, reason: Reason) {
        let Some(place) = self.place.take() else { return };
        let is_refused = matches!(
            code,
            Code::Unauthenticated | Code::PermissionDenied | Code::ResourceExhausted
        );
        let is_told = self.is_silent && code == Code::Ok;
        let is_committed = phase == Phase::Whole && self.trail.is_committed();
        if is_told || is_committed {
            return;
        }
        let left_out = match is_refused {
            true => self.hub.audit.samples(Instant::now()),
            false => Some(0),
        };
        if let Some(left_out) = left_out {
            let mut answered = std::mem::take(&mut self.answered);
            // The receipt of a write that kept nothing lists these, too.
            answered.rejected = self.trail.rejected();
            if phase == Phase::Whole {
                answered.items -= answered.rejected;
            }
            place.send(crate::log::record::Record {
                left_out,
                ..self.trail.record(phase, code, reason, answered)
            });
        }
    }
}

impl Drop for CallInFlight {
    fn drop(&mut self) {
        let phase = self.last_phase();
        let (code, reason) = match Instant::now() >= self.until && phase == Phase::Whole {
            true => (Code::DeadlineExceeded, Reason::OutOfTime),
            false => (Code::Cancelled, Reason::Unspecified),
        };
        self.end(phase, code, reason);
    }
}

/// How a call ended.
fn ended(headers: &HeaderMap) -> (Code, Reason) {
    let Some(status) = Status::from_header_map(headers) else {
        return (Code::Unknown, Reason::Unspecified);
    };
    let info = status.get_details_error_info();
    let reason = info.and_then(|it| Reason::from_str_name(&it.reason));
    (status.code(), reason.unwrap_or(Reason::Unspecified))
}
