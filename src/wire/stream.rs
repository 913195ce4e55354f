//! Streams on the wire: opened as requests are, answered in messages that every client takes.
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use prost::Message;
use tonic::{Request, Response, Status, Streaming, codegen::BoxStream};

use super::{Fields, MOST_ANSWER, caller, item};
use crate::{
    access::Caller,
    error::{Error, Reply, Result},
    hub::MOST_ITEMS,
    load::{Acknowledged, Items, Progress},
    pb,
    revision::{Revision, receipt::ItemResult},
};

/// Refused items that an acknowledgement names, and the bytes that they take, at most.
const MOST_REJECTED: (usize, usize) = (1_000, 1 << 20);
/// Left over in a message for what is not an item.
const MARGIN: usize = 1_024;

/// Opens a stream of messages: who sends, and the messages, not yet read.
pub fn open_stream<M>(request: Request<Streaming<M>>) -> Result<(Caller, Streaming<M>)> {
    let (_, extensions, messages) = request.into_parts();
    Ok((caller(&extensions)?, messages))
}

/// Answers with a stream.
pub fn stream<T: 'static, M: From<T> + 'static>(
    answers: impl Stream<Item = Result<T, Status>> + Send + 'static,
) -> Reply<BoxStream<M>> {
    Ok(Response::new(answers.map_ok(M::from).boxed()))
}

/// Answers with pages, cut into messages that stay under the limit; the first one says the revision.
pub fn sheets<P, I, M>(
    read_at: Revision,
    pages: impl Stream<Item = Result<P>> + Send + 'static,
    items: impl Fn(P) -> Vec<I> + Send + 'static,
    message: impl Fn(Option<pb::Revision>, Vec<I>) -> M + Send + 'static,
) -> Reply<BoxStream<M>>
where
    P: Send + 'static,
    I: Message + Send + 'static,
    M: Send + 'static,
{
    let mut read_at = Some(read_at.into());
    let sheets = pages
        .map_ok(move |page| stream::iter(cut(items(page)).into_iter().map(Ok)))
        .try_flatten()
        .map_ok(move |items| message(read_at.take(), items))
        .map_err(|err: Error| Status::from(err));
    Ok(Response::new(sheets.boxed()))
}

/// One list in lists that each fit into a message; no items make one list without any.
fn cut<I: Message>(items: Vec<I>) -> Vec<Vec<I>> {
    let mut sheets = vec![Vec::new()];
    let mut bytes = 0;
    for item in items {
        // With the tag and the length before it.
        let size = item.encoded_len() + 8;
        if bytes + size > MOST_ANSWER - MARGIN && bytes > 0 {
            sheets.push(Vec::new());
            bytes = 0;
        }
        bytes += size;
        if let Some(sheet) = sheets.last_mut() {
            sheet.push(item);
        }
    }
    sheets
}

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
