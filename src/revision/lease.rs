//! The lease on the head: how long a known head is fresh enough to decide rights by it.
//!
//! A hub decides by a head whose reading began at most [`LEASE`] before, or reads it first. A call that revokes a
//! right is answered [`SETTLED`] after the commit: by then no hub decides by a head from before it. No clock is
//! compared with another one, only lengths of time are, and the one is longer than the other by more than clocks run
//! apart. A process that was stopped meanwhile finds its lease over when it goes on.
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// How long after its reading began a head is decided by.
pub const LEASE: Duration = Duration::from_millis(250);
/// How long after its commit a loss of rights is answered.
pub const SETTLED: Duration = Duration::from_millis(300);

/// When the reading of the head that this process knows began.
#[derive(Clone, Debug)]
pub struct Lease {
    since: Instant,
    /// In microseconds after `since`; 0 before the first one.
    began: Arc<AtomicU64>,
}

impl Lease {
    /// Of a head whose reading began then.
    pub fn new(began: Instant) -> Self {
        let lease = Self { since: began, began: Arc::default() };
        lease.renew(began);
        lease
    }

    /// The head that was read by this is known from here on: it must be announced before.
    pub fn renew(&self, began: Instant) {
        let began = began.saturating_duration_since(self.since).as_micros();
        self.began.fetch_max(u64::try_from(began).unwrap_or(u64::MAX), Ordering::AcqRel);
    }

    /// Whether the head that is known may be decided by.
    pub fn holds(&self) -> bool {
        let began = Duration::from_micros(self.began.load(Ordering::Acquire));
        self.since.elapsed().saturating_sub(began) <= LEASE
    }
}
