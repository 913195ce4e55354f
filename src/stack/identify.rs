//! Finds out who is asking, or says that we do not know.
use std::{sync::Arc, time::Instant};

use axum::{
    body::Body,
    extract::{Request, State},
    middleware::Next,
};
use http::{HeaderValue, Response, header::AUTHORIZATION};
use tokio_util::sync::CancellationToken;

use super::{deadline::Deadline, rescue};
use crate::{
    access::Caller,
    error::{Error, Reason, Result},
    hub::Hub,
    time::Timestamp,
};

/// Cuts the connection that a request came by; in the extensions of every request.
#[derive(Clone, Debug)]
pub struct Connection(pub CancellationToken);

pub(super) async fn identify(
    State(hub): State<Arc<Hub>>,
    mut req: Request,
    next: Next,
) -> Response<Body> {
    let deadline = req.extensions().get::<Deadline>().copied();
    let connection = req.extensions().get::<Connection>().cloned();
    let key = req.headers().get(AUTHORIZATION).cloned();
    match caller(&hub, key, deadline).await {
        Ok(caller) => {
            let cut = connection.map_or(caller.connection.clone(), |it| it.0);
            let caller = Caller { connection: cut, ..caller };
            tracing::Span::current().record("caller.system", caller.system.code.as_str());
            req.extensions_mut().insert(caller);
            next.run(req).await
        }
        Err(err) => rescue::answer(err),
    }
}

async fn caller(hub: &Hub, key: Option<HeaderValue>, deadline: Option<Deadline>) -> Result<Caller> {
    let key = key.as_ref().and_then(|it| it.to_str().ok());
    let key = key.and_then(|it| it.strip_prefix("Bearer ")).ok_or_else(|| {
        Error::new(Reason::CallerUnknown, "send the metadata `authorization: Bearer shk_...`")
    })?;
    let view = hub.revisions.latest();
    let directory = hub.directory(&view).await?;
    // One answer for unknown, revoked, expired and disabled: which it is, is not for strangers.
    let (system_id, system, key) = directory
        .identify(key.trim(), Timestamp::now())
        .ok_or_else(|| Error::new(Reason::CallerUnknown, "the key is not accepted"))?;
    let until = deadline.and_then(|it| it.callers);
    let deadline = deadline.map_or_else(|| Instant::now() + hub.limits.longest, |it| it.ours_too);
    let (system, key_id) = (Arc::clone(system), key.id.as_str().into());
    Ok(Caller { system_id, system, key_id, deadline, until, connection: CancellationToken::new() })
}
