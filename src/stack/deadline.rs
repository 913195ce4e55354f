//! Enforces the shorter of the caller's deadline and the hub's.
use std::time::{Duration, Instant};

use axum::{
    body::Body,
    extract::{Request, State},
    middleware::Next,
};
use http::{HeaderMap, Response};
use tokio::time;

use super::rescue;
use crate::error::{Error, Reason};

/// The instant by which the call must have been answered; in the extensions of every request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline {
    pub(super) ours_too: Instant,
    /// Only the caller's own.
    pub(super) callers: Option<Instant>,
}

pub(super) async fn enforce(
    State(longest): State<Duration>,
    mut req: Request,
    next: Next,
) -> Response<Body> {
    let (now, asked) = (Instant::now(), grpc_timeout(req.headers()));
    let until = now + asked.unwrap_or(longest).min(longest);
    // A stream is open for as long as the caller wants it; only its head must come in our time.
    let callers = asked.and_then(|it| now.checked_add(it));
    req.extensions_mut().insert(Deadline { ours_too: until, callers });
    match time::timeout_at(until.into(), next.run(req)).await {
        Ok(response) => response,
        Err(_) => {
            let what = "the deadline passed before the work was done";
            rescue::answer(Error::new(Reason::OutOfTime, what))
        }
    }
}

/// The header's value: up to eight digits and a unit. What does not read so is as good as none.
fn grpc_timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let is_number = !digits.is_empty() && digits.bytes().all(|it| it.is_ascii_digit());
    let number: u64 = (is_number && digits.len() <= 8).then(|| digits.parse().ok())??;
    Some(match unit {
        "H" => Duration::from_secs(number * 3600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}
