//! The tail of the change feed in memory: the newest revisions' changes, read once for all watches.
use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use tokio::{sync::watch, time};

use super::{Thing, store};
use crate::{
    db::Db,
    error::Result,
    revision::{Head, store::LogLine, touched::TouchedSet},
    slots::Slots,
};

/// Most things in memory.
const KEPT: usize = 20_000;
/// Most revisions in memory.
const REVISIONS: usize = 20_000;
/// The pause after a failed read of the store.
const PATIENCE: Duration = Duration::from_millis(200);
/// The more watches there are, the more revisions share a wake-up: the pause for each watch, and the longest pause.
const PACE: (Duration, Duration) = (Duration::from_micros(50), Duration::from_millis(250));

/// A revision with its changes; none where there are too many to keep.
#[derive(Debug)]
pub struct Entry {
    /// Its line in the log.
    pub line: LogLine,
    /// What it made.
    pub things: Option<Vec<Thing>>,
}

#[derive(Default)]
struct Kept {
    entries: VecDeque<Arc<Entry>>,
    things: usize,
}

/// The newest revisions.
pub struct Tail {
    kept: RwLock<Kept>,
    newest: watch::Sender<i64>,
}

impl fmt::Debug for Tail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tail").field("newest", &self.newest()).finish_non_exhaustive()
    }
}

impl Tail {
    /// Starts to follow the head, and ends with it.
    pub fn start(db: Db, head: watch::Receiver<Head>, watches: Arc<Slots>) -> Arc<Self> {
        let newest = head.borrow().newest.number;
        let tail = Arc::new(Self { kept: RwLock::default(), newest: watch::Sender::new(newest) });
        tokio::spawn(run(Arc::clone(&tail), db, head, watches));
        tail
    }

    /// The newest revision that it holds completely.
    pub fn newest(&self) -> i64 {
        *self.newest.borrow()
    }

    /// A receiver of the newest revision.
    pub fn follow(&self) -> watch::Receiver<i64> {
        self.newest.subscribe()
    }

    /// The changes of at most so many revisions after one; none where they have left the memory.
    pub fn since(&self, after: i64, most: usize) -> Option<Vec<Arc<Entry>>> {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        let first = kept.entries.front()?.line.revision.number;
        let skip = usize::try_from((after + 1).checked_sub(first)?).ok()?;
        Some(kept.entries.iter().skip(skip).take(most).map(Arc::clone).collect())
    }

    fn keep(&self, entries: &[Arc<Entry>]) {
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        let count = |it: &Arc<Entry>| it.things.as_ref().map_or(0, Vec::len);
        kept.things += entries.iter().map(count).sum::<usize>();
        kept.entries.extend(entries.iter().map(Arc::clone));
        // Erased personal data must not come from memory either: a watch that stands before the erasure reads the
        // store.
        let erased = kept.entries.iter().rposition(|it| it.line.touched.meets(TouchedSet::ERASED));
        for _ in 0..erased.unwrap_or(0) {
            let Some(oldest) = kept.entries.pop_front() else { break };
            kept.things -= count(&oldest);
        }
        while kept.things > KEPT || kept.entries.len() > REVISIONS {
            let Some(oldest) = kept.entries.pop_front() else { break };
            kept.things -= count(&oldest);
        }
    }
}

async fn run(tail: Arc<Tail>, db: Db, mut head: watch::Receiver<Head>, watches: Arc<Slots>) {
    let mut has_failed = false;
    loop {
        let newest = head.borrow_and_update().newest.number;
        while tail.newest() < newest {
            match read(&tail, &db, newest).await {
                Ok(true) => has_failed = false,
                // With a standby, the head may be known before its line can be read.
                Ok(false) => time::sleep(PATIENCE).await,
                Err(err) => {
                    if !has_failed {
                        tracing::warn!(error = %err, "the feed cannot be read");
                    }
                    has_failed = true;
                    time::sleep(PATIENCE).await;
                }
            }
        }
        let (each, most) = PACE;
        let pace = each * u32::try_from(watches.taken()).unwrap_or(u32::MAX);
        time::sleep(pace.min(most)).await;
        if head.changed().await.is_err() {
            return;
        }
    }
}

async fn read(tail: &Tail, db: &Db, newest: i64) -> Result<bool> {
    let entries = store::entries(db.read(), tail.newest(), newest).await?;
    tail.keep(&entries);
    if let Some(last) = entries.last() {
        tail.newest.send_replace(last.line.revision.number);
    }
    Ok(!entries.is_empty())
}
