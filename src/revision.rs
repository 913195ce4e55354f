//! The revision: every committed write gets the next number, and a read picks one.
pub mod committer;
pub mod expected;
pub mod idempotency;
pub mod lease;
mod log;
pub mod receipt;
pub mod row;
mod savepoint;
pub mod store;
pub mod touched;
pub mod unit_of_work;
pub mod versioned;
pub mod withdrawal;
pub mod write;

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{sync::watch, time};

use self::{committer::Reread, lease::Lease, touched::TouchedSet};
use crate::{
    batch::Batcher,
    caller::Caller,
    db::Db,
    error::{Error, Reason, Result},
    page::Page,
    time::Timestamp,
};

/// A revision, and when it was committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revision {
    /// Its number; 0 before the first write.
    pub number: i64,
    /// When it was committed.
    pub at: Timestamp,
}

/// Refuses a revision that is below the retention floor.
pub fn must_be_kept(number: i64, floor: i64) -> Result<()> {
    if number >= floor {
        return Ok(());
    }
    let what = format!("revision {number} is no longer kept; the oldest is {floor}");
    Err(Error::new(Reason::RevisionCompacted, what).with("floor", floor))
}

/// What a read must have seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consistency {
    /// The newest revision.
    Latest,
    /// The newest, and not before this one.
    AtLeast(i64),
    /// This one.
    Exactly(i64),
    /// The last one committed at or before this instant.
    AsKnownAt(Timestamp),
}

/// What is kept in memory and reloaded when a write touched it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReferenceData {
    /// Units and successions.
    Units,
    /// Definitions of indicators.
    Indicators,
    /// Procedures.
    Procedures,
    /// Systems and keys.
    Access,
}

impl ReferenceData {
    const ALL: [Self; 4] = [Self::Units, Self::Indicators, Self::Procedures, Self::Access];
}

/// A stretch of revisions, whose versions are read in the order of revisions and keys.
#[derive(Clone, Debug)]
pub struct Stretch {
    /// After this one.
    pub after: i64,
    /// Through this one.
    pub through: i64,
    /// In a stretch of one revision: after this key.
    pub key: Option<String>,
    /// At most so many.
    pub limit: u64,
}

/// The newest revision, and the last revision that touched each set of reference data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The newest revision.
    pub newest: Revision,
    /// The oldest revision that can still be read.
    pub floor: i64,
    /// Another number after a backup was restored: what was handed out before may then mean something else.
    pub epoch: i64,
    touched_at: [i64; 4],
}

impl Head {
    /// The last revision that touched a set of reference data.
    pub fn touched(&self, which: ReferenceData) -> i64 {
        let [units, indicators, procedures, access] = self.touched_at;
        match which {
            ReferenceData::Units => units,
            ReferenceData::Indicators => indicators,
            ReferenceData::Procedures => procedures,
            ReferenceData::Access => access,
        }
    }

    /// The head after a write that touched these sets.
    fn advanced(mut self, to: Revision, touched: TouchedSet) -> Self {
        for (at, which) in self.touched_at.iter_mut().zip(ReferenceData::ALL) {
            if touched.meets(which.into()) {
                *at = to.number;
            }
        }
        self.newest = to;
        self
    }
}

/// The revision that one answer is read at, and the state of reference data then.
#[derive(Clone, Copy, Debug)]
pub struct View {
    /// The revision.
    pub revision: Revision,
    head: Head,
}

impl View {
    /// The revision's number.
    pub fn number(&self) -> i64 {
        self.revision.number
    }

    /// The epoch and the number: where the view stands in the history of the store.
    pub fn position(&self) -> (i64, i64) {
        (self.epoch(), self.number())
    }

    /// The epoch that the revision is of.
    pub fn epoch(&self) -> i64 {
        self.head.epoch
    }

    /// The last revision, up to this one, that touched a set of reference data.
    pub fn touched(&self, which: ReferenceData) -> i64 {
        self.head.touched(which)
    }
}

impl From<Head> for View {
    fn from(head: Head) -> Self {
        Self { revision: head.newest, head }
    }
}

/// The revisions of a store, as this process knows them.
#[derive(Clone, Debug)]
pub struct Revisions {
    db: Db,
    head: watch::Receiver<Head>,
    lease: Lease,
    reread: Arc<Batcher<(), ()>>,
    /// The last instant up to which this process told a reader everything, in microseconds.
    told: Arc<AtomicI64>,
}

/// What a tenth of the time left must be at least, and at most: it is left over for the refusal to arrive.
const MARGIN: [Duration; 2] = [Duration::from_millis(20), Duration::from_secs(1)];

impl Revisions {
    /// Follows the head that the committer sets.
    pub fn new(db: Db, head: watch::Receiver<Head>, lease: Lease, reread: Reread) -> Self {
        let reread = Batcher::start(1, move |keys: Vec<()>| {
            let reread = reread.clone();
            async move {
                reread.now().await?;
                Ok(keys.into_iter().map(|it| (it, ())).collect())
            }
        });
        Self { db, head, lease, reread: Arc::new(reread), told: Arc::default() }
    }

    /// The newest view, good enough to decide by it who may do what: see [`lease`]. Calls that find the lease over
    /// share a question.
    pub async fn fresh(&self) -> Result<View> {
        if !self.lease.holds() {
            self.reread.get(()).await?;
        }
        Ok(self.latest())
    }

    /// The head as it moves on.
    pub fn follow(&self) -> watch::Receiver<Head> {
        self.head.clone()
    }

    /// The newest head this process knows.
    pub fn head(&self) -> Head {
        *self.head.borrow()
    }

    /// The newest view.
    pub fn latest(&self) -> View {
        self.head().into()
    }

    /// Picks the revision for a read, waiting for one from the future up to the caller's deadline.
    pub async fn view(&self, caller: &Caller, asked: Consistency) -> Result<View> {
        match asked {
            Consistency::Latest => Ok(self.latest()),
            Consistency::AtLeast(number) => {
                self.reached(caller, number).await?;
                Ok(self.latest())
            }
            Consistency::Exactly(number) => {
                self.reached(caller, number).await?;
                self.past(number).await
            }
            Consistency::AsKnownAt(at) => {
                if at >= self.head().newest.at && at.micros() > self.told.load(Ordering::Relaxed) {
                    // What is being committed, by whichever hub, may have its time before `at`: this waits for it. What
                    // comes after shall not.
                    store::tell(self.db.write(), at).await?;
                    self.told.fetch_max(at.micros(), Ordering::Relaxed);
                }
                let number = store::last_at(self.db.read(), at).await?;
                // The store may be a commit ahead of the head that this process was told of.
                self.reached(caller, number).await?;
                self.past(number).await
            }
        }
    }

    /// Picks the revision for a page: that of the first page, once there is one.
    pub async fn page(
        &self,
        caller: &Caller,
        asked: Consistency,
        page: &Page,
    ) -> Result<(View, Option<String>)> {
        match page.cursor(self.db.secret(), caller.system_id)? {
            None => Ok((self.view(caller, asked).await?, None)),
            Some(cursor) => {
                let view = self.view(caller, Consistency::Exactly(cursor.revision)).await?;
                Ok((view, Some(cursor.after)))
            }
        }
    }

    async fn reached(&self, caller: &Caller, number: i64) -> Result<()> {
        let mut head = self.head.clone();
        let reached = head.wait_for(|it| it.newest.number >= number);
        let [least, most] = MARGIN;
        let left = caller.deadline.saturating_duration_since(Instant::now());
        let margin = (left / 10).clamp(least, most);
        let until = caller.deadline.checked_sub(margin).unwrap_or(caller.deadline);
        match time::timeout_at(until.into(), reached).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) => Err(Error::unavailable("the committer has stopped")),
            Err(_) => {
                let newest = self.head().newest.number;
                let what = format!("revision {number} is not committed; the newest is {newest}");
                Err(Error::new(Reason::RevisionUnknown, what).with("newest", newest))
            }
        }
    }

    async fn past(&self, number: i64) -> Result<View> {
        let head = self.head();
        must_be_kept(number, head.floor)?;
        if number == head.newest.number {
            return Ok(head.into());
        }
        let at = store::committed_at(self.db.read(), number).await?;
        let mut touched_at = head.touched_at;
        for (last, book) in touched_at.iter_mut().zip(ReferenceData::ALL) {
            if *last > number {
                *last = store::last_touched(self.db.read(), number, book).await?;
            }
        }
        let head = Head { newest: Revision { number, at }, touched_at, ..head };
        Ok(head.into())
    }
}
