//! The middleware, outermost first. Each line says why it stands there.
mod admit;
mod deadline;
mod ending;
pub mod identify;
pub mod measure;
pub(crate) mod message;
mod permit;
pub(crate) mod record;
mod rescue;
mod shape;
pub(crate) mod trace;

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    middleware::{from_fn, from_fn_with_state},
};
use http::Response;
use tower::ServiceBuilder;
use tower_http::{
    catch_panic::CatchPanicLayer,
    request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer},
};

use crate::{
    access::Access,
    error::{Error, Reason},
    hub::Hub,
};

/// A refusal that is made outside of the layers.
pub(crate) fn refuse(err: Error) -> Response<Body> {
    rescue::answer(err)
}

/// The answer to a call without a credential, by a connection that has as many of them open as it may.
pub(crate) fn too_many_of_a_stranger(limit: usize) -> Response<Body> {
    let what = format!("{limit} calls are open on a connection whose caller is not identified");
    refuse(Error::new(Reason::TooManyStreams, what).with("limit", limit))
}

/// The inner half, around the services that answer registered systems only.
pub fn identified(services: Router, hub: &Arc<Hub>, access: &Arc<Access>) -> Router {
    let gate = (Arc::clone(hub), Arc::clone(access));
    let layers = ServiceBuilder::new()
        // What is refused below this line is recorded as well, and no personal data passes it before that is durable.
        .layer(from_fn_with_state(Arc::clone(hub), record::record))
        // From here on there is a Caller.
        .layer(from_fn_with_state(gate.clone(), identify::identify))
        // From here on the caller has its rights, and nothing but them: what is not allowed does not reach a service.
        .layer(from_fn_with_state(gate, permit::permit));
    services.layer(layers)
}

/// The outer half, around everything that anybody may call.
pub fn wrap(
    services: Router,
    hub: &Arc<Hub>,
    access: &Arc<Access>,
    meter: &Arc<measure::Meter>,
) -> Router {
    let inner = ServiceBuilder::new()
        // What is not a gRPC call is not for the services.
        .layer(from_fn(shape::check))
        // The clock covers the key check and the reading of the message as well as the work; the caller's instant is
        // left for waits further in.
        .layer(from_fn_with_state(hub.limits.longest, deadline::enforce))
        // From here on the call is one of those in flight: its message is here, and its caller has its share of them.
        .layer(from_fn_with_state(admit::Admission::new(hub, access), admit::admit));
    let outer = ServiceBuilder::new()
        // Everything below can name the request, and the answer names it to the caller.
        .layer(from_fn(trace::plain_id))
        .layer(SetRequestIdLayer::x_request_id(MakeRequestUuid))
        .layer(PropagateRequestIdLayer::x_request_id())
        // One span and one log line around every answer, ours or the handler's.
        .layer(from_fn(trace::trace))
        // Counts every answer, also those made up below this line.
        .layer(from_fn_with_state(Arc::clone(meter), measure::measure))
        // Below this line failure may be a panic or a bare status; above it, it is always a refusal with a reason.
        .layer(from_fn(rescue::explain))
        .layer(CatchPanicLayer::custom(rescue::panicked));
    // Two stacks: the types of one long builder grow faster than its length.
    services.layer(inner).layer(outer)
}
