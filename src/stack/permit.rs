//! Lets the caller do what its grants and agreements allow, or refuses it.
use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Request, State},
    middleware::Next,
};
use http::Response;

use super::rescue;
use crate::{
    access::Access,
    caller::Caller,
    error::{Error, Reason, Result},
    hub::Hub,
};

/// The metadata in which a call names its purpose.
const PURPOSE: &str = "sharehub-purpose";

pub(super) async fn permit(
    State((hub, access)): State<(Arc<Hub>, Arc<Access>)>,
    mut req: Request,
    next: Next,
) -> Response<Body> {
    match permitted(&hub, &access, &mut req).await {
        Ok(caller) => {
            req.extensions_mut().insert(caller);
            next.run(req).await
        }
        Err(err) => rescue::answer(err),
    }
}

async fn permitted(hub: &Hub, access: &Access, req: &mut Request) -> Result<Caller> {
    let caller = req.extensions_mut().remove::<Caller>();
    let nobody = || Error::new(Reason::CallerUnknown, "no caller was identified");
    let caller = caller.ok_or_else(nobody)?;
    // What is no text is no purpose.
    let purpose = req.headers().get(PURPOSE).map(|it| it.to_str().unwrap_or_default());
    access.permit(hub, caller, req.uri().path(), purpose).await
}
