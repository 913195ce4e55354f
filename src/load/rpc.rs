//! Loads on the wire: their names and batches, and what their senders are told.
use prost::Message;

use super::{Acknowledged, Items, Progress};
use crate::{
    error::{Error, Result},
    limits::MOST_ITEMS,
    pb,
    revision::receipt::ItemResult,
    wire::{Fields, item},
};

/// Rejected items that an acknowledgement names, and the bytes that they take, at most.
const MOST_REJECTED: (usize, usize) = (1_000, 1 << 20);

/// Reads the name of a load.
pub fn load_name(open: pb::LoadOpen) -> Result<String> {
    let pb::LoadOpen { load } = open;
    let mut fields = Fields::default();
    let load = fields.within("open", |fields| fields.some_text("load", load, 128));
    fields.done(|| load)
}

/// Reads the items of a batch; `more` is what counts beside them.
pub fn load_items<M, E>(
    list: &str,
    first: i64,
    items: Vec<M>,
    more: usize,
    bytes: usize,
) -> Result<Items<E>>
where
    E: TryFrom<M, Error = Error>,
{
    let mut fields = Fields::default();
    fields.within("batch", |fields| {
        if first < 1 {
            fields.refuse("first", "be 1 or more");
        }
        if items.is_empty() {
            fields.refuse(list, "hold at least one item");
        }
        fields.at_most(list, items.len() + more, MOST_ITEMS);
    });
    fields.done(|| {
        let items = items.into_iter().map(E::try_from).collect();
        Some(Items { first, items, bytes })
    })
}

/// Either of the two answers of a load.
#[derive(Debug)]
pub enum Loaded {
    /// It is open.
    Opened(pb::LoadOpened),
    /// Items are durable.
    Acknowledged(pb::LoadAcknowledged),
}

impl From<Progress> for Loaded {
    fn from(progress: Progress) -> Self {
        match progress {
            Progress::Opened(durable_through) => Self::Opened(pb::LoadOpened { durable_through }),
            Progress::Acknowledged(it) => Self::Acknowledged(it.into()),
        }
    }
}

impl From<Acknowledged> for pb::LoadAcknowledged {
    fn from(acknowledged: Acknowledged) -> Self {
        let Acknowledged { through, revision, created, corrected, unchanged, rejected } =
            acknowledged;
        let int = |it: usize| i32::try_from(it).unwrap_or(i32::MAX);
        let (most, most_bytes) = MOST_REJECTED;
        let mut bytes = 0;
        let count = rejected.len();
        let named = rejected.into_iter().take(most).map(refused).take_while(|it| {
            bytes += it.encoded_len();
            bytes <= most_bytes
        });
        Self {
            durable_through: through,
            revision: Some(revision.into()),
            created: int(created),
            corrected: int(corrected),
            unchanged: int(unchanged),
            rejected: int(count),
            rejected_items: named.collect(),
        }
    }
}

fn refused((number, result): (i64, ItemResult)) -> pb::RejectedItem {
    let pb::ItemResult { index: _, outcome: _, reason, violations, message, id: _ } =
        item(0, result);
    pb::RejectedItem { number, reason, violations, message }
}
