//! How commands reach a running hub, and how its refusals read.
use std::{error::Error as StdError, time::Duration};

use tonic::{
    Status,
    transport::{Channel, Endpoint},
};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic_types::StatusExt;

use super::{Outcome, say};
use crate::config::Target;

pub(super) async fn connect(target: &Target) -> Outcome<Channel> {
    let endpoint = Endpoint::from_shared(target.target.clone())?;
    let endpoint =
        endpoint.connect_timeout(Duration::from_secs(5)).timeout(Duration::from_secs(60));
    endpoint.connect().await.map_err(|err| format!("no hub at {}: {err}", target.target).into())
}

pub(super) async fn health(target: Target) -> Outcome {
    let mut client = HealthClient::new(connect(&target).await?);
    let answer = client.check(HealthCheckRequest::default()).await?.into_inner();
    let status = answer.status();
    say(status.as_str_name())?;
    match status {
        ServingStatus::Serving => Ok(()),
        ServingStatus::Unknown | ServingStatus::NotServing | ServingStatus::ServiceUnknown => {
            Err(format!("the hub at {} does not serve", target.target).into())
        }
    }
}

/// A refusal in words: code, message, reason, and every bad field.
pub(super) fn explain(status: &Status) -> Box<dyn StdError> {
    let mut text = format!("{:?}: {}", status.code(), status.message());
    if let Some(info) = status.get_details_error_info() {
        text.push_str(&format!("\n  reason: {}", info.reason));
    }
    for it in status.get_details_bad_request().into_iter().flat_map(|it| it.field_violations) {
        text.push_str(&format!("\n  {}: {}", it.field, it.description));
    }
    text.into()
}
