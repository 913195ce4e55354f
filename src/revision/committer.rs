//! The committer (group commit): one task that takes waiting writes, commits them together, and answers each.
//!
//! What a commit does, in its order, is in [`super::write`].
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
    time,
};

use super::{
    Head,
    lease::Lease,
    store,
    write::{Job, Queued, Work, commit},
};
use crate::{
    caller::Caller,
    db::Db,
    error::{Error, Reason, Result},
    log::AuditLog,
};

/// Writes that may wait; above it, callers are refused rather than kept waiting.
const QUEUE: usize = 1_024;
/// How often the head is read, for what other processes commit.
const FOLLOW: Duration = Duration::from_millis(100);
/// Writes in one commit, at most.
const GROUP: usize = 256;
/// The longest that a commit may take. A store that does not answer ends it sooner.
const MOST: Duration = Duration::from_secs(120);

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
        let job = Queued::new(trail, system_id, work, reply);
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
