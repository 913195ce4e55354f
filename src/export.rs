//! Exports: whole answers at one revision, streamed page by page at the caller's pace.
use std::sync::Arc;

use futures_util::{Stream, stream::try_unfold};

use crate::{
    caller::Caller,
    error::Result,
    hub::Hub,
    load::{out_of_time, passed, stopping},
    revision::{View, must_be_kept, store as revisions},
    slots::Slot,
};

/// Items on a page of an export.
pub const PAGE: usize = 1_000;

/// What is exported.
pub trait ExportQuestion: Send + Sync + 'static {
    /// Some of the answer.
    type Page: Send;
    /// Where a page ends, and the next one begins.
    type Key: Send;

    /// What it is read at.
    fn view(&self) -> &View;

    /// Refuses a caller that has lost what it needs for this answer.
    fn allowed(&self, caller: &Caller) -> Result<()>;

    /// The page after a key, and the key of its end unless it is the last one.
    fn page(
        &self,
        hub: &Hub,
        after: Option<Self::Key>,
    ) -> impl Future<Output = Result<(Self::Page, Option<Self::Key>)>> + Send;
}

struct Export<Q: ExportQuestion> {
    hub: Arc<Hub>,
    caller: Caller,
    question: Q,
    after: Option<Q::Key>,
    is_over: bool,
    _slot: Slot,
}

/// The pages of an answer. One is read when it is asked for; nothing is kept of it.
pub fn run<Q: ExportQuestion>(
    hub: &Arc<Hub>,
    caller: Caller,
    question: Q,
) -> Result<impl Stream<Item = Result<Q::Page>> + Send + 'static> {
    let _slot = hub.loads.take(caller.system_id)?;
    let hub = Arc::clone(hub);
    let export = Export { hub, caller, question, after: None, is_over: false, _slot };
    Ok(try_unfold(export, Export::next))
}

impl<Q: ExportQuestion> Export<Q> {
    async fn next(mut self) -> Result<Option<(Q::Page, Self)>> {
        if self.is_over {
            return Ok(None);
        }
        let after = self.after.take();
        let page = async || -> Result<_> {
            self.question.allowed(&self.hub.renew(&self.caller).await?)?;
            let read = self.question.page(&self.hub, after).await?;
            // Whatever was taken out of the store before the page was read, the floor that was set with it shows by
            // now.
            let floor = revisions::head(self.hub.db.read()).await?.floor;
            must_be_kept(self.question.view().number(), floor)?;
            Ok(read)
        };
        let (page, after) = tokio::select! {
            biased;
            () = passed(self.caller.until) => return Err(out_of_time()),
            () = self.hub.stopping.cancelled() => return Err(stopping()),
            read = page() => read?,
        };
        self.is_over = after.is_none();
        self.after = after;
        Ok(Some((page, self)))
    }
}
