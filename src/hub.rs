//! The hub: what every slice shares, and the two ways in, a read at one revision and a write that makes one.
pub mod held;
pub mod reference;
pub mod row;
pub mod rpc;
pub mod store;
pub mod withdraw;
mod write;

use std::{any::Any, fmt::Debug, sync::Arc};

use futures_util::future::BoxFuture;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) use self::write::note;
pub use self::write::{BatchOptions, BatchOutcome, WriteOp};
use self::{
    reference::{At, References},
    store::activity::SourceActivity,
};
use crate::{
    caller::Caller,
    db::Db,
    error::Result,
    limits::{LOADS, Limits},
    log::AuditLog,
    page::Mark,
    revision::{
        Revisions, View,
        committer::{Committer, Followed},
        write::Write,
    },
    slots::Slots,
    turns::Turns,
};

/// A running hub: a store, its revisions, and the reference data that is kept in memory. It knows no slice.
#[derive(Debug)]
pub struct Hub {
    /// The store.
    pub db: Db,
    /// The revisions.
    pub revisions: Revisions,
    /// What is too large or too long.
    pub limits: Limits,
    /// Concurrent loads and exports.
    pub loads: Arc<Slots>,
    /// Turns of long computations.
    pub turns: Arc<Turns>,
    /// Is cancelled when the hub is to stop: open streams then end.
    pub stopping: CancellationToken,
    /// The audit log.
    pub audit: Arc<AuditLog>,
    /// When sources published last.
    pub activity: SourceActivity,
    committer: Committer,
    references: References,
    gate: Arc<dyn Gate>,
}

/// Renews what a caller may do: for each step of an open stream, and inside each write.
pub trait Gate: Debug + Send + Sync {
    /// The caller as it stands at a view or a write: with the rights that it still has, or refused.
    fn renew<'a>(
        &'a self,
        hub: &'a Hub,
        at: At<'a>,
        caller: &'a Caller,
    ) -> BoxFuture<'a, Result<Caller>>;

    /// What reference data as it would be after a change opens to agreements that live, in words.
    fn widened<'a>(
        &'a self,
        hub: &'a Hub,
        write: &'a Write,
        by: &'a Caller,
        after: &'a (dyn Any + Send + Sync),
    ) -> BoxFuture<'a, Result<Vec<String>>>;
}

impl Hub {
    /// Starts on a store and its audit log, with the gate that renews callers. The task ends when the hub is dropped,
    /// after its last commit.
    pub async fn start(
        db: Db,
        limits: Limits,
        audit: Arc<AuditLog>,
        gate: Arc<dyn Gate>,
    ) -> Result<(Arc<Self>, JoinHandle<()>)> {
        let (committer, followed, task) = Committer::start(db.clone(), Arc::clone(&audit)).await?;
        let Followed { head, lease, reread } = followed;
        let revisions = Revisions::new(db.clone(), head, lease, reread);
        let hub = Self {
            db,
            revisions,
            limits,
            loads: Slots::new(LOADS.0, LOADS.1),
            turns: Turns::new(),
            stopping: CancellationToken::new(),
            audit,
            activity: SourceActivity::default(),
            committer,
            references: References::default(),
            gate,
        };
        Ok((Arc::new(hub), task))
    }

    /// Durable commits since the start.
    pub fn commits(&self) -> u64 {
        self.committer.commits()
    }

    /// What the page tokens of an answer to a caller are bound to.
    pub fn mark(&self, caller: &Caller, view: &View) -> Mark<'_> {
        Mark { secret: self.db.secret(), system_id: caller.system_id, revision: view.number() }
    }

    /// The caller of an open stream, as it stands now: by the same agreements as they are today, or refused.
    pub async fn renew(&self, caller: &Caller) -> Result<Caller> {
        let view = self.revisions.fresh().await?;
        self.gate.renew(self, At::View(&view), caller).await
    }

    /// The same, as a write sees it: no right is used that was taken away before the write.
    pub async fn renew_in(&self, write: &Write, caller: &Caller) -> Result<Caller> {
        self.gate.renew(self, At::Write(write), caller).await
    }
}
