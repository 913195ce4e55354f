//! Streams on the wire: opened like requests, answered in messages within the size limit of clients.
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use prost::Message;
use tonic::{Request, Response, Status, Streaming, codegen::BoxStream};

use super::{MOST_ANSWER, caller};
use crate::{
    caller::Caller,
    error::{Error, Reply, Result},
    pb,
    revision::Revision,
};

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
