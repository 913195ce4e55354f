//! A write, from top to bottom in the order of a commit.
//!
//! What it is to do; the lookup that all writes of the commit share; its run, and the line of its revision; its record
//! in the audit log; and the commit that makes all of it durable.
use std::{panic::AssertUnwindSafe, sync::Arc};

use futures_util::{FutureExt, future::BoxFuture};
use sea_orm::DatabaseTransaction;
use tokio::sync::{Mutex, MutexGuard, oneshot};

use super::{
    Head, ReferenceData, Revision, log,
    savepoint::{SharedTx, WriteTx},
    store,
    touched::TouchedSet,
    unit_of_work::CommitBuffer,
};
use crate::{
    db::Db,
    error::{Error, Reason, Result},
    log::{self as audit_log, AuditLog, record::Record, store::Added, trail::Trail},
    time::Timestamp,
};

// === what a write does ===

/// What a write is to do.
pub trait Work: Clone + Send + 'static {
    /// What it answers to its caller.
    type Answer: Send + 'static;

    /// Names what it will look for, so that all writes of a commit are looked up together. It need not be right.
    fn ahead(&self, buffer: &mut CommitBuffer);

    /// Does it. It may be done again, alone, when the writes of a commit fail together.
    fn run(self, write: &Write) -> impl Future<Output = Result<Done<Self::Answer>>> + Send;
}

/// A write in progress: everything it does stands or falls together.
#[derive(Debug)]
pub struct Write {
    /// The store, with what earlier writes of the same commit did. Release the buffer before using it.
    pub db: WriteTx,
    /// The revision that it makes, if it changes anything.
    pub revision: Revision,
    /// The head before it, earlier writes of the same commit included.
    pub head: Head,
    committed: i64,
}

impl Write {
    /// Whether a set of reference data stands as it was last committed, so that what is read of it may be kept in
    /// memory.
    pub fn is_committed(&self, which: ReferenceData) -> bool {
        self.head.touched(which) <= self.committed
    }

    /// What the writes of the commit share.
    pub async fn buffer(&self) -> MutexGuard<'_, CommitBuffer> {
        self.db.shared.buffer.lock().await
    }

    /// The store without what waits on the buffer: for what the buffer itself looks up.
    pub fn before(&self) -> &DatabaseTransaction {
        &self.db.shared.tx
    }
}

/// What a write answers.
#[derive(Debug)]
pub struct Done<T> {
    /// To the caller.
    pub answer: T,
    /// To the store.
    pub effect: Effect,
}

/// What a write did to the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing.
    None,
    /// It kept something that is no part of the shared state: the answer to a request.
    Kept {
        /// How many items it rejected.
        rejected: usize,
    },
    /// Nothing: whatever it wrote is undone. It was only tried.
    Tried,
    /// It made its revision, and moved the retention floor.
    Compacted {
        /// To this revision.
        floor: i64,
    },
    /// It made its revision.
    Revision {
        /// What it touched, and made versions of.
        touched: TouchedSet,
        /// How many items it created or corrected.
        items: i32,
        /// How many items it rejected.
        rejected: usize,
    },
}

impl Effect {
    /// Whether something of it stays.
    pub(in crate::revision) fn is_kept(self) -> bool {
        matches!(self, Self::Kept { .. } | Self::Compacted { .. } | Self::Revision { .. })
    }

    /// What the line of its revision says: what it touched, and how many items. None when it made no revision.
    fn line(self) -> Option<(TouchedSet, i32)> {
        match self {
            Self::Revision { touched, items, rejected: _ } => Some((touched, items)),
            Self::Compacted { floor: _ } => Some((TouchedSet::NOTHING, 0)),
            Self::None | Self::Kept { .. } | Self::Tried => None,
        }
    }

    /// The head after it.
    fn head(self, before: Head, revision: Revision) -> Head {
        let Some((touched, _)) = self.line() else { return before };
        let after = before.advanced(revision, touched);
        let Self::Compacted { floor } = self else { return after };
        Head { floor, ..after }
    }

    /// Its numbers in the audit log: items kept, items rejected, and its revision; 0 when it made none.
    fn recorded(self, revision: Revision) -> (i64, usize, i64) {
        match self {
            Self::Revision { touched: _, items, rejected } => {
                (i64::from(items), rejected, revision.number)
            }
            Self::Compacted { floor: _ } => (0, 0, revision.number),
            Self::Kept { rejected } => (0, rejected, 0),
            Self::None | Self::Tried => (0, 0, 0),
        }
    }
}

// === a write that waits for its commit ===

/// A [`Work`] of any type, with the caller that waits for it.
pub(in crate::revision) trait Job: Send {
    fn is_awaited(&self) -> bool;
    fn ahead(&self, buffer: &mut CommitBuffer);
    fn run<'a>(&'a mut self, write: &'a Write, flush: Flush) -> BoxFuture<'a, Result<Effect>>;
    fn system_id(&self) -> i64;
    fn trail(&self) -> &Trail;
    fn answer(self: Box<Self>, outcome: Result<()>);
}

/// How the writes of a commit take their turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::revision) enum Flush {
    /// Buffered rows are written once, after all writes. A failure cannot be assigned to one write.
    Together,
    /// What each leaves is written before the next begins, in a savepoint of its own.
    Alone,
}

/// One [`Work`], queued.
pub(in crate::revision) struct Queued<W: Work> {
    trail: Arc<Trail>,
    system_id: i64,
    work: Option<W>,
    done: Option<W::Answer>,
    reply: oneshot::Sender<Result<W::Answer>>,
}

impl<W: Work> Queued<W> {
    pub(in crate::revision) fn new(
        trail: Arc<Trail>,
        system_id: i64,
        work: W,
        reply: oneshot::Sender<Result<W::Answer>>,
    ) -> Self {
        Self { trail, system_id, work: Some(work), done: None, reply }
    }
}

impl<W: Work> Job for Queued<W> {
    fn is_awaited(&self) -> bool {
        !self.reply.is_closed()
    }

    fn ahead(&self, buffer: &mut CommitBuffer) {
        if let Some(work) = &self.work {
            work.ahead(buffer);
        }
    }

    fn run<'a>(&'a mut self, write: &'a Write, flush: Flush) -> BoxFuture<'a, Result<Effect>> {
        let work = match flush {
            Flush::Together => self.work.clone(),
            Flush::Alone => self.work.take(),
        };
        let done = &mut self.done;
        async move {
            let work = work.ok_or_else(|| Error::internal("a write was run twice"))?;
            let Done { answer, effect } = work.run(write).await?;
            *done = Some(answer);
            Ok(effect)
        }
        .boxed()
    }

    fn system_id(&self) -> i64 {
        self.system_id
    }

    fn trail(&self) -> &Trail {
        &self.trail
    }

    fn answer(self: Box<Self>, outcome: Result<()>) {
        let Self { done, reply, trail: _, system_id: _, work: _ } = *self;
        let answer = outcome.and_then(|()| {
            done.ok_or_else(|| Error::internal("a write was committed without an answer"))
        });
        // The caller may have gone: what is committed is committed.
        drop(reply.send(answer));
    }
}

/// How each write of a commit ended: what it did, and the revision that it had.
pub(in crate::revision) type Outcomes = Vec<Result<(Effect, Revision)>>;

// === a commit, step by step ===

/// Runs the writes, and commits all that succeeded. The head, and what was added to the audit log if anything was
/// written.
pub(in crate::revision) async fn commit(
    db: &Db,
    audit: &AuditLog,
    jobs: &mut [Box<dyn Job>],
    outcomes: &mut Outcomes,
) -> Result<(Head, Option<Added>)> {
    let together = if jobs.len() > 1 { Flush::Together } else { Flush::Alone };
    let (tx, head, wrote) = match fill(db, jobs, outcomes, together).await {
        Err(err) if together == Flush::Together && err.reason() == Reason::Internal => {
            tracing::warn!(error = %err, writes = jobs.len(), "what writes left failed together; each is tried alone");
            outcomes.clear();
            fill(db, jobs, outcomes, Flush::Alone).await?
        }
        filled => filled?,
    };
    if !wrote {
        tx.rollback().await?;
        return Ok((head, None));
    }
    let records = records(jobs, outcomes);
    let added = audit_log::store::add(&tx, audit.key(), db.clock(), records.iter()).await;
    // What is the matter with all of the store is not said of the log.
    let added = added.map_err(|err| match err.reason() == Reason::Unavailable {
        true => err,
        false => Error::audit_unavailable(err),
    })?;
    db.commits().commit(tx).await?;
    Ok((head, Some(added)))
}

/// Fills a transaction with the writes that succeed: the transaction, the head after it, and whether it wrote anything.
async fn fill(
    db: &Db,
    jobs: &mut [Box<dyn Job>],
    outcomes: &mut Outcomes,
    flush: Flush,
) -> Result<(DatabaseTransaction, Head, bool)> {
    let tx = db.commits().begin().await?;
    let shared = Arc::new(SharedTx { tx, buffer: Mutex::default() });
    let filled = run_all(db, &shared, jobs, outcomes, flush).await;
    let shared = Arc::into_inner(shared)
        .ok_or_else(|| Error::internal("a write was kept beyond its end"))?;
    match filled {
        Ok((head, wrote)) => Ok((shared.tx, head, wrote)),
        Err(err) => {
            shared.tx.rollback().await?;
            Err(err)
        }
    }
}

/// Locks the head, looks up what all writes named ahead, runs each, and writes what they left on the buffer.
async fn run_all(
    db: &Db,
    shared: &Arc<SharedTx>,
    jobs: &mut [Box<dyn Job>],
    outcomes: &mut Outcomes,
    flush: Flush,
) -> Result<(Head, bool)> {
    let (mut head, told) = store::lock_head(&shared.tx).await?;
    let committed = head.newest.number;
    let at = committed_at(db, head, told);
    {
        let mut buffer = shared.buffer.lock().await;
        for job in jobs.iter() {
            job.ahead(&mut buffer);
        }
        buffer.look_up(&shared.tx).await?;
    }
    let mut wrote = false;
    for job in jobs {
        let revision = Revision { number: head.newest.number + 1, at };
        let tx = WriteTx::new(Arc::clone(shared));
        let write = Write { db: tx, revision, head, committed };
        let ran = run_one(job.as_mut(), write, flush).await?;
        if let Ok(effect) = &ran {
            head = effect.head(head, revision);
            wrote |= effect.is_kept();
        }
        outcomes.push(ran.map(|effect| (effect, revision)));
    }
    if wrote {
        shared.buffer.lock().await.flush(&shared.tx).await?;
        store::set_head(&shared.tx, &head).await?;
    }
    Ok((head, wrote))
}

/// The time of a commit. The clock may step back; commit times do not, nor behind what a reader was told.
fn committed_at(db: &Db, head: Head, told: Timestamp) -> Timestamp {
    db.clock().max(head.newest.at).max(told.checked_add_micros(1).unwrap_or(told))
}

/// Runs one write, and keeps what it did or undoes it. Fails when the commit must; inside is whether this write does.
async fn run_one(job: &mut dyn Job, write: Write, flush: Flush) -> Result<Result<Effect>> {
    if flush == Flush::Alone {
        write.db.savepoint().await?;
    }
    let ran = AssertUnwindSafe(job.run(&write, flush)).catch_unwind().await;
    let ran = ran.unwrap_or_else(|_| Err(Error::internal("a write panicked")));
    if let Some((touched, items)) = ran.as_ref().ok().and_then(|it| it.line()) {
        let mut buffer = write.buffer().await;
        log::add_line(&mut buffer, write.revision, job.system_id(), touched, items);
    }
    let is_kept = matches!(&ran, Ok(effect) if *effect != Effect::Tried);
    let ended = write.db.end(is_kept).await?;
    Ok(ran.and_then(|effect| ended.map(|()| effect)))
}

/// A record in the audit log for each write that is kept.
fn records(jobs: &[Box<dyn Job>], outcomes: &Outcomes) -> Vec<Record> {
    let kept = jobs.iter().zip(outcomes).filter_map(|(job, outcome)| {
        let (effect, revision) = outcome.as_ref().ok().filter(|(effect, _)| effect.is_kept())?;
        let (items, rejected, number) = effect.recorded(*revision);
        Some(job.trail().written(items, rejected, number))
    });
    kept.collect()
}
