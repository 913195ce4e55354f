//! The committer (group commit): one task that takes waiting writes, commits them together, and answers each.
use std::{
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::{FutureExt, future::BoxFuture};
use sea_orm::DatabaseTransaction;
use tokio::{
    sync::{Mutex, MutexGuard, mpsc, oneshot, watch},
    task::JoinHandle,
    time,
};

use super::{
    Head, ReferenceData, Revision,
    lease::Lease,
    log,
    savepoint::{Shared, WriteTx},
    store,
    touched::TouchedSet,
    unit_of_work::CommitBuffer,
};
use crate::{
    caller::Caller,
    db::Db,
    error::{Error, Reason, Result},
    log::{self as audit_log, AuditLog, record::Record, store::Added, trail::Trail},
};

/// Writes that may wait; above it, callers are refused rather than kept waiting.
const QUEUE: usize = 1_024;
/// How often the head is read, for what other processes commit.
const FOLLOW: Duration = Duration::from_millis(100);
/// Writes in one commit, at most.
const GROUP: usize = 256;
/// The longest that a commit may take. A store that does not answer ends it sooner.
const MOST: Duration = Duration::from_secs(120);

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
    fn is_kept(self) -> bool {
        matches!(self, Self::Kept { .. } | Self::Compacted { .. } | Self::Revision { .. })
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

/// What a write is to do.
pub trait Work: Clone + Send + 'static {
    /// What it answers to its caller.
    type Answer: Send + 'static;

    /// Names what it will look for, so that all writes of a commit are looked up together. It need not be right.
    fn ahead(&self, buffer: &mut CommitBuffer);

    /// Does it. It may be done again, alone, when the writes of a commit fail together.
    fn run(self, write: &Write) -> impl Future<Output = Result<Done<Self::Answer>>> + Send;
}

/// A [`Work`] of any type, with the caller that waits for it.
trait Job: Send {
    fn ahead(&self, buffer: &mut CommitBuffer);
    fn run<'a>(&'a mut self, write: &'a Write, flush: Flush) -> BoxFuture<'a, Result<Effect>>;
    fn is_awaited(&self) -> bool;
    fn system_id(&self) -> i64;
    fn trail(&self) -> &Trail;
    fn answer(self: Box<Self>, outcome: Result<()>);
}

struct Typed<W: Work> {
    trail: Arc<Trail>,
    system_id: i64,
    work: Option<W>,
    done: Option<W::Answer>,
    reply: oneshot::Sender<Result<W::Answer>>,
}

impl<W: Work> Job for Typed<W> {
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

    fn is_awaited(&self) -> bool {
        !self.reply.is_closed()
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

/// Hands writes to the committing task.
#[derive(Clone)]
pub struct Committer {
    jobs: mpsc::Sender<Box<dyn Job>>,
    commits: Arc<AtomicU64>,
}

impl std::fmt::Debug for Committer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Committer").field("commits", &self.commits()).finish()
    }
}

impl Committer {
    /// Starts the task on a store. It ends, after its last commit, when every `Committer` is dropped.
    pub async fn start(db: Db, audit: Arc<AuditLog>) -> Result<(Self, Followed, JoinHandle<()>)> {
        let lease = Lease::new(Instant::now());
        let head = store::head(db.write()).await?;
        let (set_head, head) = watch::channel(head);
        let (jobs, waiting) = mpsc::channel(QUEUE);
        let commits = Arc::new(AtomicU64::new(0));
        let reread = Reread { db: db.clone(), set_head: Arc::new(set_head), lease: lease.clone() };
        let follower = tokio::spawn(follow(reread.clone()));
        let committer = run(db, audit, waiting, reread.clone(), Arc::clone(&commits));
        let task = tokio::spawn(async move {
            committer.await;
            follower.abort();
        });
        Ok((Self { jobs, commits }, Followed { head, lease, reread }, task))
    }

    /// How many commits were made.
    pub fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    /// Waits until the write is durable, or refused. A caller that stops waiting stops a write that has not begun; one
    /// that has begun is finished.
    pub async fn write<W: Work>(&self, caller: &Caller, work: W) -> Result<W::Answer> {
        let (reply, answer) = oneshot::channel();
        let (trail, system_id) = (Arc::clone(&caller.trail), caller.system_id);
        let job = Typed { trail, system_id, work: Some(work), done: None, reply };
        self.jobs.try_send(Box::new(job)).map_err(|err| match err {
            mpsc::error::TrySendError::Full(_) => {
                Error::new(Reason::Overloaded, "too many writes are waiting; try again")
            }
            mpsc::error::TrySendError::Closed(_) => Error::unavailable("the committer has stopped"),
        })?;
        answer.await.map_err(|_| Error::unavailable("the committer has stopped"))?
    }
}

async fn run(
    db: Db,
    audit: Arc<AuditLog>,
    mut waiting: mpsc::Receiver<Box<dyn Job>>,
    known: Reread,
    commits: Arc<AtomicU64>,
) {
    let mut jobs = Vec::with_capacity(GROUP);
    // Writes that arrive during a commit join the next one; no write is delayed to wait for others.
    while waiting.recv_many(&mut jobs, GROUP).await > 0 {
        jobs.retain(|job| job.is_awaited());
        let mut outcomes = Vec::with_capacity(jobs.len());
        let flush = db.commits().turn().await;
        let committed = commit(&db, &audit, &mut jobs, &mut outcomes);
        let committed = db.commits().bounded(MOST, committed).await;
        drop(flush);
        match committed {
            Ok((head, added)) => {
                commits.fetch_add(u64::from(added.is_some()), Ordering::Relaxed);
                if let Some(added) = added {
                    audit.added(added);
                }
                // Also when nothing was written: an answer may name a revision that another hub made meanwhile.
                announce(&known.set_head, head);
                for (job, outcome) in jobs.drain(..).zip(outcomes) {
                    if matches!(&outcome, Ok((effect, _)) if effect.is_kept()) {
                        job.trail().committed();
                    }
                    job.answer(outcome.map(drop));
                }
            }
            Err(err) => {
                if *db.pulse().borrow() {
                    tracing::error!(error = %err, writes = jobs.len(), "a commit failed");
                }
                let is_audit = err.reason() == Reason::AuditUnavailable;
                if is_audit {
                    audit.failed(&err);
                }
                for job in jobs.drain(..) {
                    job.answer(Err(match is_audit {
                        true => Error::audit_unavailable("the commit failed"),
                        false => Error::unavailable("the commit failed"),
                    }));
                }
            }
        }
    }
}

/// Sees what other processes commit to the same store: another hub, or `sharehub key issue`.
async fn follow(known: Reread) {
    let mut told = false;
    loop {
        time::sleep(FOLLOW).await;
        let read = known.now().await;
        // Once for each time that it goes and comes.
        if let (Err(err), false) = (&read, told) {
            tracing::warn!(error = %err, "the head cannot be read");
        }
        told = read.is_err();
    }
}

/// What follows the head: the head itself, the lease on it, and a way to read it.
#[derive(Debug)]
pub struct Followed {
    /// The head, as it moves on.
    pub head: watch::Receiver<Head>,
    /// How long it is good enough to decide by it.
    pub lease: Lease,
    /// Reads it.
    pub reread: Reread,
}

/// Reads the head of the primary, and makes it known.
#[derive(Clone, Debug)]
pub struct Reread {
    db: Db,
    set_head: Arc<watch::Sender<Head>>,
    lease: Lease,
}

impl Reread {
    /// Reads it now.
    pub async fn now(&self) -> Result<()> {
        let began = Instant::now();
        let head = store::head(self.db.read()).await?;
        announce(&self.set_head, head);
        self.lease.renew(began);
        Ok(())
    }
}

/// Publishes a head. Heads only move forward.
fn announce(set_head: &watch::Sender<Head>, head: Head) {
    set_head.send_if_modified(|known| {
        let is_newer = head.newest.number > known.newest.number || head.epoch != known.epoch;
        if is_newer {
            *known = head;
        }
        is_newer
    });
}

/// How the writes of a commit take their turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flush {
    /// Buffered rows are written once, after all writes. A failure cannot be assigned to one write.
    Together,
    /// What each leaves is written before the next begins, in a savepoint of its own.
    Alone,
}

/// Runs the writes, and commits all that succeeded. The head, and whether anything was written.
async fn commit(
    db: &Db,
    audit: &AuditLog,
    jobs: &mut [Box<dyn Job>],
    outcomes: &mut Vec<Result<(Effect, Revision)>>,
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

/// A record for each write that is kept.
fn records(jobs: &[Box<dyn Job>], outcomes: &[Result<(Effect, Revision)>]) -> Vec<Record> {
    let kept = jobs.iter().zip(outcomes).filter_map(|(job, outcome)| {
        let (effect, revision) = outcome.as_ref().ok().filter(|(effect, _)| effect.is_kept())?;
        let (items, rejected, number) = match effect {
            Effect::Revision { touched: _, items, rejected } => {
                (i64::from(*items), *rejected, revision.number)
            }
            Effect::Compacted { floor: _ } => (0, 0, revision.number),
            Effect::Kept { rejected } => (0, *rejected, 0),
            Effect::None | Effect::Tried => (0, 0, 0),
        };
        Some(job.trail().written(items, rejected, number))
    });
    kept.collect()
}

/// Fills a transaction with the writes that succeed.
async fn fill(
    db: &Db,
    jobs: &mut [Box<dyn Job>],
    outcomes: &mut Vec<Result<(Effect, Revision)>>,
    flush: Flush,
) -> Result<(DatabaseTransaction, Head, bool)> {
    let tx = db.commits().begin().await?;
    let shared = Arc::new(Shared { tx, buffer: Mutex::default() });
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

async fn run_all(
    db: &Db,
    shared: &Arc<Shared>,
    jobs: &mut [Box<dyn Job>],
    outcomes: &mut Vec<Result<(Effect, Revision)>>,
    flush: Flush,
) -> Result<(Head, bool)> {
    let (mut head, told) = store::lock_head(&shared.tx).await?;
    let committed = head.newest.number;
    // The clock may step back; commit times do not, nor behind what a reader was told.
    let at = db.clock().max(head.newest.at).max(told.checked_add_micros(1).unwrap_or(told));
    let mut wrote = false;
    {
        let mut buffer = shared.buffer.lock().await;
        for job in jobs.iter() {
            job.ahead(&mut buffer);
        }
        buffer.look_up(&shared.tx).await?;
    }
    for job in jobs {
        let revision = Revision { number: head.newest.number + 1, at };
        let own = WriteTx::new(Arc::clone(shared));
        if flush == Flush::Alone {
            own.savepoint().await?;
        }
        let write = Write { db: own, revision, head, committed };
        let ran = AssertUnwindSafe(job.run(&write, flush)).catch_unwind().await;
        let ran = ran.unwrap_or_else(|_| Err(Error::internal("a write panicked")));
        let own = write.db;
        let after = match &ran {
            Ok(Effect::Revision { touched, items, rejected: _ }) => {
                Some((head.advanced(revision, *touched), *touched, *items))
            }
            Ok(Effect::Compacted { floor }) => Some((
                Head { floor: *floor, ..head.advanced(revision, TouchedSet::NOTHING) },
                TouchedSet::NOTHING,
                0,
            )),
            Ok(Effect::Kept { .. } | Effect::None | Effect::Tried) | Err(_) => None,
        };
        if let Some((_, touched, items)) = after {
            let mut buffer = shared.buffer.lock().await;
            log::add_line(&mut buffer, revision, job.system_id(), touched, items);
        }
        let is_kept = matches!(&ran, Ok(effect) if *effect != Effect::Tried);
        let ended = own.end(is_kept).await?;
        let ran = ran.and_then(|effect| ended.map(|()| effect));
        if let (Ok(_), Some((advanced, _, _))) = (&ran, after) {
            head = advanced;
        }
        wrote |= matches!(&ran, Ok(effect) if !matches!(effect, Effect::None | Effect::Tried));
        outcomes.push(ran.map(|effect| (effect, revision)));
    }
    if wrote {
        shared.buffer.lock().await.flush(&shared.tx).await?;
        store::set_head(&shared.tx, &head).await?;
    }
    Ok((head, wrote))
}
