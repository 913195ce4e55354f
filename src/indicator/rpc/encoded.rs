//! The answer of `GetSnapshot` as the hub sends it: its cells are kept as they are on the wire, and encoded once.
use bytes::Bytes;
use prost::Message;

use crate::{indicator::store::snapshot::Cell, pb};

/// On the wire the same as [`pb::GetSnapshotResponse`]: a message inside a message is its bytes.
#[derive(Clone, PartialEq, Message)]
pub struct GetSnapshotResponse {
    /// The revision this was read at.
    #[prost(message, optional, tag = "1")]
    pub read_at: Option<pb::Revision>,
    /// The date on which freshness was judged.
    #[prost(string, tag = "2")]
    pub judged_on: String,
    /// Each is a [`pb::SnapshotCell`].
    #[prost(bytes = "bytes", repeated, tag = "3")]
    pub cells: Vec<Bytes>,
    /// Continues a selection.
    #[prost(string, tag = "4")]
    pub next_page_token: String,
}

/// A cell as it is answered.
pub fn encode(cell: Cell) -> Bytes {
    pb::SnapshotCell::from(cell).encode_to_vec().into()
}
