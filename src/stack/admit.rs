//! Lets a call in: finds out who calls, reads its message whole, and takes a place among the calls in flight, in this
//! order. What is slow to come holds up nobody, and no system takes the places of all.
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    body::Body,
    extract::{Request, State},
    middleware::Next,
};
use http::{HeaderMap, Response};

use super::{
    deadline::Deadline,
    identify::{self, Connection, Identified},
    message::{self, MessageOwner, UnfinishedBytes},
    rescue,
};
use crate::{
    access::Access,
    error::Result,
    hub::Hub,
    log::wire::shape::method,
    slots::{Slot, Slots},
};

/// Of the calls in flight, callers who are not identified have one of so many, beside the others.
const STRANGERS_SHARE: usize = 8;
/// Messages of the largest size that may have come by one connection without being whole.
const UNFINISHED: usize = 4;

/// A caller whose message took longer than that to come is identified once more: its rights may have ended meanwhile.
const SOON: Duration = Duration::from_millis(20);

/// What calls are let in by.
#[derive(Clone, Debug)]
pub(super) struct Admission {
    hub: Arc<Hub>,
    access: Arc<Access>,
    calls: Arc<Slots>,
    strangers: Arc<Slots>,
    unfinished: Arc<UnfinishedBytes>,
}

impl Admission {
    pub(super) fn new(hub: &Arc<Hub>, access: &Arc<Access>) -> Self {
        let limits = &hub.limits;
        let share = limits.in_flight.saturating_mul(limits.in_flight_share).div_ceil(100).max(1);
        Self {
            hub: Arc::clone(hub),
            access: Arc::clone(access),
            calls: Slots::calls(limits.in_flight, share),
            strangers: Slots::of_strangers(limits.in_flight.div_ceil(STRANGERS_SHARE)),
            unfinished: UnfinishedBytes::new(limits.message_bytes),
        }
    }
}

pub(super) async fn admit(
    State(admission): State<Admission>,
    mut req: Request,
    next: Next,
) -> Response<Body> {
    match admission.let_in(&mut req).await {
        Ok(place) => {
            let response = next.run(req).await;
            // A stream has a place of its own kind from here on.
            drop(place);
            response
        }
        Err(err) => rescue::answer(err),
    }
}

impl Admission {
    async fn let_in(&self, req: &mut Request) -> Result<Slot> {
        let connection = req.extensions().get::<Connection>().cloned().unwrap_or_default();
        let began = Instant::now();
        let mut identified = self.identify(&connection, req.headers()).await;
        let Some(system_id) = identified.system_id() else {
            // Nothing of a stranger's call is read but its head, unless what it calls is open to all.
            req.extensions_mut().insert(identified);
            return self.strangers.take(0);
        };
        if method(req.uri().path()).is_some_and(|it| !it.is_stream) {
            let until = req.extensions().get::<Deadline>().map(|it| it.ours_too);
            let until = until.unwrap_or_else(|| Instant::now() + self.hub.limits.longest);
            let most = self.hub.limits.message_bytes;
            let of_connection = (&*connection.unfinished, most.saturating_mul(UNFINISHED));
            let owner =
                MessageOwner { system_id, all: &self.unfinished, connection: of_connection };
            let body = std::mem::take(req.body_mut());
            *req.body_mut() = message::read(body, most, until, Some(&owner)).await?;
            if began.elapsed() > SOON {
                identified = self.identify(&connection, req.headers()).await;
            }
        }
        req.extensions_mut().insert(identified);
        self.calls.take(system_id)
    }

    async fn identify(&self, connection: &Connection, head: &HeaderMap) -> Identified {
        identify::by_head(&self.hub, &self.access, connection, head).await
    }
}
