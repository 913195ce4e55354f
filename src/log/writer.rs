//! The writer of the audit log: one task that appends records in groups. Records that arrive during a write join the
//! next group.
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    sync::{Notify, mpsc, oneshot, watch},
    task::JoinHandle,
    time,
};

use super::{
    key::Key,
    record::Record,
    store::{self, Added},
};
use crate::{
    db::Db,
    error::{Error, Result},
};

/// Records that may wait. While the store does not take them, this is how much is answered and not yet recorded.
const QUEUE: usize = 32_768;
/// Records in one group, at most.
const GROUP: usize = 512;
/// How long records without a waiting caller are gathered before they are written: a commit for each would cost more
/// than the calls that they are of.
const LINGER: Duration = Duration::from_millis(20);
/// The longest that writing a group may take.
const MOST: Duration = Duration::from_secs(30);
/// How often a group that failed is tried again, and how often it is looked whether a checkpoint is due.
const AGAIN: Duration = Duration::from_millis(500);

/// A record in the queue, and the caller that waits until it is durable.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) record: Record,
    pub(super) durable: Option<oneshot::Sender<Result<()>>>,
}

/// How the log does.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// How many records there are.
    pub size: u64,
    /// How many of them the newest checkpoint covers.
    pub checked: u64,
    /// The newest checkpoint; empty before the first one.
    pub checkpoint: Arc<str>,
    /// Since when it cannot be written, if so.
    pub fails_since: Option<Instant>,
}

impl State {
    /// Records are in the log.
    pub(super) fn saw(&mut self, added: Added) {
        let Added { size, checked, checkpoint } = added;
        self.size = self.size.max(size);
        if let Some(note) = checkpoint.filter(|_| checked > self.checked) {
            (self.checked, self.checkpoint) = (checked, note.into());
        }
    }

    /// Records were added.
    pub(super) fn added(&mut self, added: Added) {
        self.saw(added);
        if self.fails_since.take().is_some() {
            tracing::info!("the audit log is written again");
        }
    }

    /// Records could not be added.
    pub(super) fn failed(&mut self, err: &Error) {
        if self.fails_since.is_none() {
            tracing::error!(error = %err, "the audit log cannot be written");
            self.fails_since = Some(Instant::now());
        }
    }
}

/// Starts the task. It ends after the last record is written, once every sender is dropped.
pub(super) fn start(
    db: Db,
    key: Key,
    state: watch::Sender<State>,
    pending: Arc<AtomicUsize>,
    urgent: Arc<Notify>,
) -> (mpsc::Sender<Entry>, JoinHandle<()>) {
    let (entries, waiting) = mpsc::channel(QUEUE);
    (entries, tokio::spawn(run(Log { db, key, state, pending, urgent }, waiting)))
}

/// What the task writes to.
struct Log {
    db: Db,
    key: Key,
    state: watch::Sender<State>,
    /// Records that were sent and are not written.
    pending: Arc<AtomicUsize>,
    /// Somebody waits for a record.
    urgent: Arc<Notify>,
}

async fn run(log: Log, mut waiting: mpsc::Receiver<Entry>) {
    let mut held: Vec<Entry> = Vec::with_capacity(GROUP);
    let mut tick = time::interval(AGAIN);
    tick.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
    let mut is_over = false;
    while !is_over {
        if held.is_empty() {
            tokio::select! {
                count = waiting.recv_many(&mut held, GROUP) => {
                    is_over = count == 0;
                    log.gather(&mut held, &mut waiting).await;
                }
                _ = tick.tick() => log.look().await,
            }
        } else {
            // It failed before.
            tick.tick().await;
            is_over = waiting.is_closed() && waiting.is_empty();
        }
        while !held.is_empty() && log.write(&mut held).await {}
        // Waiting callers learn of the failure now, not after the next attempt.
        while !held.is_empty()
            && held.len() < QUEUE
            && let Ok(entry) = waiting.try_recv()
        {
            held.push(entry);
            refuse(held.iter_mut().rev().take(1));
        }
    }
    if !held.is_empty() {
        tracing::error!(records = held.len(), "records are lost: the audit log cannot be written");
    }
}

impl Log {
    /// Lets more come that can be written together, unless somebody waits.
    async fn gather(&self, held: &mut Vec<Entry>, waiting: &mut mpsc::Receiver<Entry>) {
        if held.iter().any(|it| it.durable.is_some()) || waiting.is_closed() {
            return;
        }
        // In time or not: what is here by then is written.
        drop(time::timeout(LINGER, self.urgent.notified()).await);
        while held.len() < GROUP
            && let Ok(entry) = waiting.try_recv()
        {
            held.push(entry);
        }
    }

    /// Writes a group of what is held, or leaves it to be written later: whether it was written. Waiting callers are
    /// told either way.
    async fn write(&self, held: &mut Vec<Entry>) -> bool {
        let size = held.len().min(GROUP);
        match self.add(held.iter().take(size).map(|it| &it.record)).await {
            Ok(added) => {
                self.state.send_modify(|state| state.added(added));
                self.pending.fetch_sub(size, Ordering::Relaxed);
                for Entry { record: _, durable } in held.drain(..size) {
                    // Who waited may have gone.
                    drop(durable.map(|it| it.send(Ok(()))));
                }
                true
            }
            Err(err) => {
                self.state.send_modify(|state| state.failed(&err));
                refuse(held.iter_mut());
                false
            }
        }
    }

    async fn add(&self, records: impl ExactSizeIterator<Item = &Record> + Send) -> Result<Added> {
        let lane = self.db.log();
        let _turn = lane.turn().await;
        let add = async {
            let tx = lane.begin().await?;
            let added = store::add(&tx, &self.key, self.db.clock(), records).await?;
            lane.commit(tx).await?;
            Ok(added)
        };
        lane.bounded(MOST, add).await
    }

    /// Takes up what other hubs added, and makes the checkpoint that is due although nothing new comes.
    async fn look(&self) {
        let checked = self.state.borrow().checked;
        let looked = async {
            let end = store::end(self.db.read(), false).await?;
            if end.is_due(self.db.clock()) {
                return self.add(std::iter::empty()).await;
            }
            let checkpoint = match end.checked > checked {
                true => store::newest(self.db.read()).await?,
                false => None,
            };
            Ok(Added { size: end.tree.size(), checked: end.checked, checkpoint })
        };
        match looked.await {
            Ok(added) => self.state.send_modify(|state| state.saw(added)),
            Err(err) => tracing::debug!(error = %err, "the end of the audit log cannot be read"),
        }
    }
}

/// Fails the callers that wait for these records: their answers must not leave the hub.
fn refuse<'a>(held: impl Iterator<Item = &'a mut Entry>) {
    for Entry { record, durable } in held {
        if let Some(durable) = durable.take() {
            *record = record.clone().withheld();
            drop(durable.send(Err(Error::audit_unavailable("the record was not written"))));
        }
    }
}
