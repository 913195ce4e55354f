//! The answer of `GetSnapshot` as the hub sends it: each cell is encoded once, and cached in that form.
use bytes::{Bytes, BytesMut};
use prost::Message;

use crate::{
    indicator::store::{
        read::ObservationView,
        snapshot::{Cell, CellEncoder},
    },
    pb,
};

/// How cells are made.
pub const ENCODER: CellEncoder = CellEncoder { cell: encode, contributed: add_contributed };

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

/// What of a [`pb::SnapshotCell`] is not kept with it.
#[derive(Clone, PartialEq, Message)]
struct ContributedFields {
    /// What other sources contributed.
    #[prost(message, repeated, tag = "15")]
    contributed: Vec<pb::Observation>,
}

/// A cell as it is answered.
fn encode(cell: Cell) -> Bytes {
    pb::SnapshotCell::from(cell).encode_to_vec().into()
}

/// A cell with what other sources contributed: on the wire fields may follow those that are there.
fn add_contributed(cell: Bytes, contributed: Vec<ObservationView>) -> Bytes {
    let fields =
        ContributedFields { contributed: contributed.into_iter().map(Into::into).collect() };
    let mut bytes = BytesMut::from(cell);
    bytes.extend_from_slice(&fields.encode_to_vec());
    bytes.freeze()
}
