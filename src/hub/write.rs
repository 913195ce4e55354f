//! Writes: batches that commit as one revision, single writes, and what a repeated request is answered.
use std::sync::Arc;

use tokio::time;

use super::{
    Hub,
    store::{activity, rejections},
};
use crate::{
    caller::Caller,
    error::{Error, ItemLists, Reason, Result},
    outcome::{Counts, Outcome},
    revision::{
        ReferenceData, Revision, idempotency,
        lease::SETTLED,
        receipt::{ItemResult, Receipt},
        touched::TouchedSet,
        unit_of_work::CommitBuffer,
        write::{Done, Effect, Work, Write},
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
    /// Whether it wrote something that stays though it makes no revision.
    pub aside: bool,
}

impl BatchOutcome {
    /// Of items that touch this, and nothing beside them.
    pub fn new(items: Vec<Result<ItemResult>>, touched: TouchedSet) -> Self {
        Self { items, touched, aside: false }
    }
}

/// A write by name: the request it was read from, and the store function that runs it.
///
/// A batch gives a [`BatchOutcome`], a write of one thing an [`ItemResult`], and a write whose answer is not a receipt
/// a [`Done`].
pub trait WriteOp: Clone + Send + 'static {
    /// Whether a source publishes by it: then the hub remembers when it did so last.
    const PUBLISHES: bool = false;
    /// What it gives.
    type Output;

    /// Names the keys it will look for, so that the writes of one commit share a query per table. It need not be right.
    fn ahead(&self, _: &mut CommitBuffer) {}

    /// Runs it, for the caller as it stands at this write. It may run again, alone, when the writes of a commit fail
    /// together.
    fn run(
        self,
        hub: &Hub,
        write: &Write,
        by: &Caller,
    ) -> impl Future<Output = Result<Self::Output>> + Send;
}

impl Hub {
    /// Commits a batch as one revision, re-checking the caller's rights inside the transaction. A repeated `request_id`
    /// returns the stored receipt, which commits together with its effect.
    pub async fn write_batch<O: WriteOp<Output = BatchOutcome>>(
        self: &Arc<Self>,
        caller: &Caller,
        ask: BatchOptions,
        op: O,
    ) -> Result<Receipt> {
        let work = BatchWork { hub: Arc::clone(self), by: caller.clone(), ask, op };
        let receipt = self.committer.write(caller, work).await?;
        if !receipt.replayed && !receipt.validated_only {
            let counts = receipt.counts();
            caller.trail.wrote(counts);
            if O::PUBLISHES && counts.accepted() > 0 {
                self.activity.committed(caller.system_id, self.db.clock());
            }
        }
        Ok(Receipt { checkpoint: self.audit.checkpoint(), ..receipt })
    }

    /// Writes one thing that touches one set of reference data, as a batch of one: all or nothing. What may take a
    /// right away is answered when no hub decides by what was before.
    pub async fn write_one(
        self: &Arc<Self>,
        caller: &Caller,
        ask: BatchOptions,
        which: ReferenceData,
        op: impl WriteOp<Output = ItemResult>,
    ) -> Result<Receipt> {
        let receipt = self.write_batch(caller, ask, BatchOfOne { which, op }).await?;
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
    pub async fn write_once<T: Send + 'static>(
        self: &Arc<Self>,
        caller: &Caller,
        op: impl WriteOp<Output = Done<T>>,
    ) -> Result<T> {
        let work = OnceWork { hub: Arc::clone(self), by: caller.clone(), op };
        self.committer.write(caller, work).await
    }
}

/// A write of one thing, as a batch.
#[derive(Clone)]
struct BatchOfOne<O> {
    which: ReferenceData,
    op: O,
}

impl<O: WriteOp<Output = ItemResult>> WriteOp for BatchOfOne<O> {
    type Output = BatchOutcome;

    fn ahead(&self, buffer: &mut CommitBuffer) {
        self.op.ahead(buffer);
    }

    async fn run(self, hub: &Hub, write: &Write, by: &Caller) -> Result<BatchOutcome> {
        // A refusal refuses the call: there is nothing else in it.
        let item = self.op.run(hub, write, by).await?;
        Ok(BatchOutcome::new(vec![Ok(item)], self.which.into()))
    }
}

/// A write whose answer is not kept, as the committer runs it.
#[derive(Clone)]
struct OnceWork<O> {
    hub: Arc<Hub>,
    by: Caller,
    op: O,
}

impl<T: Send + 'static, O: WriteOp<Output = Done<T>>> Work for OnceWork<O> {
    type Answer = T;

    fn ahead(&self, buffer: &mut CommitBuffer) {
        self.op.ahead(buffer);
    }

    async fn run(self, write: &Write) -> Result<Done<T>> {
        let Self { hub, by, op } = self;
        let by = hub.renew_in(write, &by).await?;
        op.run(&hub, write, &by).await
    }
}

/// A batch, as the committer runs it.
#[derive(Clone)]
struct BatchWork<O> {
    hub: Arc<Hub>,
    by: Caller,
    ask: BatchOptions,
    op: O,
}

impl<O: WriteOp<Output = BatchOutcome>> Work for BatchWork<O> {
    type Answer = Receipt;

    fn ahead(&self, buffer: &mut CommitBuffer) {
        if let Some(id) = &self.ask.request_id {
            idempotency::want_answer(buffer, self.by.system_id, id);
        }
        self.op.ahead(buffer);
    }

    async fn run(self, write: &Write) -> Result<Done<Receipt>> {
        let Self { hub, by, ask, op } = self;
        answer(&hub, write, &by, ask, op).await
    }
}

async fn answer<O: WriteOp<Output = BatchOutcome>>(
    hub: &Hub,
    write: &Write,
    by: &Caller,
    ask: BatchOptions,
    op: O,
) -> Result<Done<Receipt>> {
    let BatchOptions { request_id, fingerprint, allow_partial, validate_only, lists } = ask;
    // As the caller stands at this write: a right that was taken away before it is not used in it.
    let by = hub.renew_in(write, by).await?;
    let system_id = by.system_id;
    // It is kept, and what it was made of may be personal.
    let fingerprint = hub.db.vault().keyed(fingerprint);
    if let Some(id) = &request_id
        && let Some((first, receipt)) = idempotency::answered(write, system_id, id).await?
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
    let BatchOutcome { items, touched, mut aside } = op.run(hub, write, &by).await?;
    let mut results = Vec::with_capacity(items.len());
    let (mut refused, mut beside) = (Vec::new(), Vec::new());
    for (index, item) in items.into_iter().enumerate() {
        match item {
            Ok(result) => results.push(result),
            Err(err) if allow_partial => {
                results.push(ItemResult::refused(&err));
                beside.push(err);
            }
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
    aside |= rejections::keep(write, system_id, lists.first(), revision, &beside).await?;
    if O::PUBLISHES && counts.accepted() > 0 {
        aside |= note(hub, write, system_id, revision).await;
    }
    let checkpoint = Arc::default();
    let receipt = Receipt { revision, results, replayed: false, validated_only: false, checkpoint };
    let mut effect = match changed {
        true => {
            let items = i32::try_from(changes).unwrap_or(i32::MAX);
            Effect::Revision { touched, items, rejected }
        }
        false if aside => Effect::Kept { rejected },
        false => Effect::None,
    };
    if let Some(id) = request_id {
        // By the time it was answered, not by that of a revision it may only have found.
        let at = write.revision.at;
        idempotency::keep_answer(write, system_id, id, fingerprint, &receipt, at).await?;
        if effect == Effect::None {
            effect = Effect::Kept { rejected };
        }
    }
    Ok(Done { answer: receipt, effect })
}

/// Writes down that a source published, if that is due; says whether it was.
pub(crate) async fn note(hub: &Hub, write: &Write, system_id: i64, revision: Revision) -> bool {
    let is_due = hub.activity.is_due(system_id, write.revision.at);
    if is_due {
        activity::note(write, system_id, revision).await;
    }
    is_due
}
