//! Writes: batches that commit as one revision, single writes, and what a repeated request is answered.
use std::sync::Arc;

use tokio::time;

use super::Hub;
use crate::{
    caller::Caller,
    error::{Error, ItemLists, Reason, Result},
    outcome::{Counts, Outcome},
    revision::{
        ReferenceData, Revision,
        committer::{Done, Effect, Write},
        idempotency,
        lease::SETTLED,
        receipt::{ItemResult, Receipt},
        touched::TouchedSet,
        unit_of_work::CommitBuffer,
    },
};

/// How a batch was asked for.
#[derive(Clone, Debug)]
pub struct BatchOptions {
    /// The caller's id of the request.
    pub request_id: Option<String>,
    /// What was asked, checked or kept alike: the same id with another fingerprint is refused.
    pub fingerprint: [u8; 32],
    /// Good items are kept beside bad ones; without it one bad item refuses all.
    pub allow_partial: bool,
    /// It is only checked; nothing is kept.
    pub validate_only: bool,
    /// The lists that hold the items, for the paths of bad fields.
    pub lists: ItemLists,
}

impl BatchOptions {
    /// For what the hub writes of its own accord, a single thing.
    pub fn internal(list: &'static str) -> Self {
        Self::whole(None, [0; 32], false, list)
    }

    /// For a request that is kept as a whole or not at all.
    pub fn whole(
        request_id: Option<String>,
        fingerprint: [u8; 32],
        validate_only: bool,
        list: &'static str,
    ) -> Self {
        let lists = ItemLists::One(list);
        Self { request_id, fingerprint, allow_partial: false, validate_only, lists }
    }
}

/// What a batch did: a result or a refusal for each item, and what it touched.
#[derive(Debug)]
pub struct BatchOutcome {
    /// One for each item.
    pub items: Vec<Result<ItemResult>>,
    /// What it touched, if it changed anything.
    pub touched: TouchedSet,
}

impl Hub {
    /// Commits a batch as one revision, re-checking the caller's rights inside the transaction. A repeated `request_id`
    /// returns the stored receipt, which commits together with its effect.
    pub async fn write_batch<W, F>(
        self: &Arc<Self>,
        caller: &Caller,
        ask: BatchOptions,
        work: W,
    ) -> Result<Receipt>
    where
        W: FnOnce(Arc<Self>, Arc<Write>, Caller) -> F + Clone + Send + 'static,
        F: Future<Output = Result<BatchOutcome>> + Send,
    {
        self.write_ahead(caller, ask, |_| {}, work).await
    }

    /// The same, for a batch that says ahead what it will look for: it is then looked up with what others look for.
    /// It need not be right.
    pub async fn write_ahead<A, W, F>(
        self: &Arc<Self>,
        caller: &Caller,
        ask: BatchOptions,
        ahead: A,
        work: W,
    ) -> Result<Receipt>
    where
        A: Fn(&mut CommitBuffer) + Send + 'static,
        W: FnOnce(Arc<Self>, Arc<Write>, Caller) -> F + Clone + Send + 'static,
        F: Future<Output = Result<BatchOutcome>> + Send,
    {
        let (hub, by) = (Arc::clone(self), caller.clone());
        let system_id = caller.system_id;
        let request_id = ask.request_id.clone();
        let ahead = move |buffer: &mut CommitBuffer| {
            if let Some(id) = &request_id {
                idempotency::want_answer(buffer, system_id, id);
            }
            ahead(buffer);
        };
        let write = move |write| answer(hub, write, by, ask, work);
        let receipt = self.committer.write(caller, ahead, write).await?;
        if !receipt.replayed && !receipt.validated_only {
            caller.trail.wrote(receipt.counts());
        }
        Ok(Receipt { checkpoint: self.audit.checkpoint(), ..receipt })
    }

    /// Writes one thing that touches one set of reference data, as a batch of one: all or nothing. What may take a
    /// right away is answered when no hub decides by what was before.
    pub async fn write_one<W, F>(
        self: &Arc<Self>,
        caller: &Caller,
        ask: BatchOptions,
        which: ReferenceData,
        work: W,
    ) -> Result<Receipt>
    where
        W: FnOnce(Arc<Self>, Arc<Write>, Caller) -> F + Clone + Send + 'static,
        F: Future<Output = Result<ItemResult>> + Send,
    {
        let batch = async move |hub: Arc<Self>, write: Arc<Write>, by: Caller| {
            // A refusal refuses the call: there is nothing else in it.
            let item = work(hub, write, by).await?;
            Ok(BatchOutcome { items: vec![Ok(item)], touched: which.into() })
        };
        let receipt = self.write_batch(caller, ask, batch).await?;
        let is_new = receipt.results.iter().all(|it| it.outcome == Outcome::Created);
        // Also when nothing was changed: the first answer to the same may have been lost. The hub itself promises it
        // to nobody.
        if which == ReferenceData::Access
            && !is_new
            && !receipt.validated_only
            && caller.system_id != 0
        {
            time::sleep(SETTLED).await;
        }
        Ok(receipt)
    }

    /// Writes something whose answer is not a receipt, and is not kept.
    pub async fn write_once<T, W, F>(self: &Arc<Self>, caller: &Caller, work: W) -> Result<T>
    where
        T: Send + 'static,
        W: FnOnce(Arc<Self>, Arc<Write>, Caller) -> F + Clone + Send + 'static,
        F: Future<Output = Result<Done<T>>> + Send,
    {
        let (hub, by) = (Arc::clone(self), caller.clone());
        let write = async move |write: Arc<Write>| {
            let by = hub.renew_in(&write, &by).await?;
            work(hub, write, by).await
        };
        self.committer.write(caller, |_| {}, write).await
    }
}

async fn answer<W, F>(
    hub: Arc<Hub>,
    write: Arc<Write>,
    by: Caller,
    ask: BatchOptions,
    work: W,
) -> Result<Done<Receipt>>
where
    W: FnOnce(Arc<Hub>, Arc<Write>, Caller) -> F,
    F: Future<Output = Result<BatchOutcome>>,
{
    let BatchOptions { request_id, fingerprint, allow_partial, validate_only, lists } = ask;
    // As the caller stands at this write: a right that was taken away before it is not used in it.
    let by = hub.renew_in(&write, &by).await?;
    let system_id = by.system_id;
    // It is kept, and what it was made of may be personal.
    let fingerprint = hub.db.vault().keyed(fingerprint);
    if let Some(id) = &request_id
        && let Some((first, receipt)) = idempotency::answered(&write, system_id, id).await?
    {
        if first != fingerprint {
            let what = format!("the request_id `{id}` was used for another request");
            return Err(Error::new(Reason::RequestIdReused, what).at("request_id"));
        }
        return Ok(Done {
            answer: Receipt { validated_only: validate_only, ..receipt },
            effect: Effect::None,
        });
    }
    let BatchOutcome { items, touched } = work(hub, Arc::clone(&write), by).await?;
    let mut results = Vec::with_capacity(items.len());
    let mut refused = Vec::new();
    for (index, item) in items.into_iter().enumerate() {
        match item {
            Ok(result) => results.push(result),
            Err(err) if allow_partial => results.push(ItemResult::refused(&err)),
            Err(err) => refused.push((index, err)),
        }
    }
    if !refused.is_empty() {
        return Err(Error::batch(refused, lists));
    }
    if validate_only {
        return Ok(Done {
            answer: Receipt::tried(write.head.newest, results),
            effect: Effect::Tried,
        });
    }
    let counts = Counts::of(results.iter().map(|it| it.outcome));
    let (changes, rejected) = (counts.changes(), counts.rejected);
    let changed = changes > 0;
    let revision: Revision = if changed { write.revision } else { write.head.newest };
    let checkpoint = Arc::default();
    let receipt = Receipt { revision, results, replayed: false, validated_only: false, checkpoint };
    let mut effect = match changed {
        true => {
            let items = i32::try_from(changes).unwrap_or(i32::MAX);
            Effect::Revision { touched, items, rejected }
        }
        false => Effect::None,
    };
    if let Some(id) = request_id {
        // By the time it was answered, not by that of a revision it may only have found.
        let at = write.revision.at;
        idempotency::keep_answer(&write, system_id, id, fingerprint, &receipt, at).await?;
        if effect == Effect::None {
            effect = Effect::Kept { rejected };
        }
    }
    Ok(Done { answer: receipt, effect })
}
