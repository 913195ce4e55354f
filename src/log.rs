//! The audit log: a record of every call that reads or writes data, in a Merkle tree whose checkpoints are signed.
//!
//! What a call does leaves a [`trail::Trail`]. A write's record is committed with its effect, by the committer; every
//! other record by the [`writer`], in groups. An answer with personal data leaves only after its record is durable.
pub mod checkpoint;
pub mod key;
pub mod merkle;
pub mod record;
pub mod row;
pub mod store;
pub mod trail;
pub mod wire;
pub mod writer;

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    sync::{Notify, mpsc, oneshot, watch},
    task::JoinHandle,
    time,
};
use tonic::Code;

use self::{
    key::Key,
    record::{Answered, Phase, Record},
    store::Added,
    trail::Trail,
    writer::{Entry, State},
};
use crate::{
    db::Db,
    error::{Error, Reason, Result},
};

/// Refusals that are recorded one by one: so many in a row, and so many in a second after that.
const REFUSALS: (f64, f64) = (100.0, 20.0);

/// The method of a record of a connection that was refused.
const CONNECTION: &str = "connection";

/// How long the hub's own program waits for a record.
const PATIENCE: Duration = Duration::from_secs(10);

/// The audit log of a store.
#[derive(Debug)]
pub struct AuditLog {
    key: Key,
    entries: mpsc::Sender<Entry>,
    pending: Arc<AtomicUsize>,
    /// Tells the writer that somebody waits for a record.
    urgent: Arc<Notify>,
    state: watch::Sender<State>,
    /// How long the hub answers without personal data while the log cannot be written.
    grace: Duration,
    refusals: Mutex<RefusalWindow>,
}

/// Refusals in the last while.
#[derive(Debug)]
struct RefusalWindow {
    /// How many may be recorded now.
    left: f64,
    at: Instant,
    left_out: i64,
}

impl AuditLog {
    /// Opens the log of a store with its key, and starts to write it. The task ends when the log and every place in
    /// it is dropped, after the last record is written.
    pub async fn start(db: Db, key: Key, grace: Duration) -> Result<(Arc<Self>, JoinHandle<()>)> {
        store::claim(db.write(), &key).await?;
        let end = store::end(db.read(), false).await?;
        let checkpoint = store::newest(db.read()).await?;
        let first = State {
            size: end.tree.size(),
            checked: end.checked,
            checkpoint: checkpoint.unwrap_or_default().into(),
            fails_since: None,
        };
        let state = watch::Sender::new(first);
        let pending = Arc::<AtomicUsize>::default();
        let urgent = Arc::<Notify>::default();
        let (entries, task) = writer::start(
            db,
            key.clone(),
            state.clone(),
            Arc::clone(&pending),
            Arc::clone(&urgent),
        );
        let refusals = RefusalWindow { left: REFUSALS.0, at: Instant::now(), left_out: 0 };
        let refusals = Mutex::new(refusals);
        Ok((Arc::new(Self { key, entries, pending, urgent, state, grace, refusals }), task))
    }

    /// The key that signs checkpoints.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// How the log does, as it changes.
    pub fn follow(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    /// The newest checkpoint; empty before the first one.
    pub fn checkpoint(&self) -> Arc<str> {
        Arc::clone(&self.state.borrow().checkpoint)
    }

    /// Records that are not written yet.
    pub fn waiting(&self) -> usize {
        self.pending.load(Ordering::Relaxed)
    }

    /// Records were added in a transaction of somebody else, which is committed.
    pub fn added(&self, added: Added) {
        self.state.send_modify(|state| state.added(added));
    }

    /// Records could not be added in a transaction of somebody else.
    pub fn failed(&self, err: &Error) {
        self.state.send_modify(|state| state.failed(err));
    }

    /// A place for a record, before what it will be of is done: what is done can then be recorded. It waits for one
    /// until an instant. While the log cannot be written there are places for as long as the hub may go on without
    /// it.
    pub async fn place(&self, until: Instant) -> Result<Permit> {
        let fails_since = self.state.borrow().fails_since;
        let lasts = |since: Instant| since.elapsed() >= self.grace || self.entries.capacity() == 0;
        if fails_since.is_some_and(lasts) {
            return Err(Error::audit_unavailable("the audit log cannot be written"));
        }
        let place = self.entries.clone().reserve_owned();
        match time::timeout_at(until.into(), place).await {
            Ok(Ok(place)) => Ok(self.holds(place)),
            Ok(Err(_)) => Err(Error::audit_unavailable("the audit log's writer has stopped")),
            Err(_) => Err(Error::audit_unavailable("too many records wait to be written")),
        }
    }

    /// Records what the hub's program did of its own accord, and waits until that is durable.
    pub async fn own(&self, what: &'static str) -> Result<()> {
        let until = Instant::now() + PATIENCE;
        let place = self.place(until).await?;
        place.durable(Trail::internal(what).written(0, 0, 0), until).await
    }

    /// Records a connection that was refused before there was a call, if there is room for it.
    pub fn refused(&self, cause: &str, claimed: &str, peer: Option<SocketAddr>) {
        let Some(left_out) = self.samples(Instant::now()) else { return };
        let Ok(place) = self.entries.clone().try_reserve_owned() else { return };
        let trail = Trail::internal(CONNECTION);
        trail.stranger(cause);
        let (code, reason) = (Code::Unauthenticated, Reason::CallerUnknown);
        let record = trail.record(Phase::Whole, code, reason, Answered::default());
        let peer = peer.map(|it| it.ip().to_string());
        let asked = serde_json::json!({ "claimed": claimed, "peer": peer }).to_string();
        self.holds(place).send(Record { asked, left_out, ..record });
    }

    fn holds(&self, place: mpsc::OwnedPermit<Entry>) -> Permit {
        let (pending, urgent) = (Arc::clone(&self.pending), Arc::clone(&self.urgent));
        Permit { place, pending, urgent, state: self.state.subscribe() }
    }

    /// Whether a refusal is recorded by itself: with how many were left out before it, or not at all if they come too
    /// fast.
    pub fn samples(&self, now: Instant) -> Option<i64> {
        let (most, each_second) = REFUSALS;
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = now.saturating_duration_since(refusals.at).as_secs_f64();
        refusals.left = (refusals.left + passed * each_second).min(most);
        refusals.at = now;
        if refusals.left < 1.0 {
            refusals.left_out += 1;
            return None;
        }
        refusals.left -= 1.0;
        Some(std::mem::take(&mut refusals.left_out))
    }
}

/// A place for one record.
#[derive(Debug)]
pub struct Permit {
    place: mpsc::OwnedPermit<Entry>,
    pending: Arc<AtomicUsize>,
    urgent: Arc<Notify>,
    state: watch::Receiver<State>,
}

impl Permit {
    fn fill(self, entry: Entry) {
        self.pending.fetch_add(1, Ordering::Relaxed);
        self.place.send(entry);
    }

    /// Records: durable soon.
    pub fn send(self, record: Record) {
        self.fill(Entry { record, durable: None });
    }

    /// Records, and waits until it is durable; but no longer than until an instant. If it is not, nothing of what it
    /// is of must leave.
    pub async fn durable(self, record: Record, until: Instant) -> Result<()> {
        if self.state.borrow().fails_since.is_some() {
            self.send(record.withheld());
            return Err(Error::audit_unavailable("the audit log cannot be written"));
        }
        let (durable, written) = oneshot::channel();
        let urgent = Arc::clone(&self.urgent);
        self.fill(Entry { record, durable: Some(durable) });
        urgent.notify_one();
        match time::timeout_at(until.into(), written).await {
            Ok(Ok(written)) => written,
            Ok(Err(_)) => Err(Error::audit_unavailable("the audit log's writer has stopped")),
            Err(_) => Err(Error::audit_unavailable("the record was not written in time")),
        }
    }
}
