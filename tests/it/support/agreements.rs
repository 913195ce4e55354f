//! Agreements as small as they can be, and calls that they answer.
use std::time::{SystemTime, UNIX_EPOCH};

use sharehub::pb::{self, agreement::Dataset};
use tonic::{Request, Status};

use crate::support::client::Client;

/// Indicators by these patterns.
pub fn by(patterns: &[&str]) -> Dataset {
    let patterns = patterns.iter().map(|it| (*it).to_owned()).collect();
    Dataset::Indicators(pb::IndicatorDataset { patterns })
}

/// So many seconds from now.
pub fn from_now(seconds: i64) -> Option<prost_types::Timestamp> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seconds = i64::try_from(now.as_secs()).unwrap() + seconds;
    Some(prost_types::Timestamp { seconds, nanos: i32::try_from(now.subsec_nanos()).unwrap() })
}

/// A question for observations, for a purpose; for none when that is `-`.
pub async fn ask(client: &Client, purpose: &str) -> Result<pb::QueryObservationsResponse, Status> {
    let mut request = Request::new(pb::QueryObservationsRequest::default());
    request.metadata_mut().insert("sharehub-purpose", purpose.parse().unwrap());
    Ok(client.indicators().query_observations(request).await?.into_inner())
}
