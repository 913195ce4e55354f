//! Faults on purpose, for tests: a store that fails, is late, or commits and says that it did not.
use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use rand::{Rng, SeedableRng, rngs::StdRng};
use sea_orm::{DbErr, RuntimeErr};

/// What goes wrong, and how often: shares between 0 and 1.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shares {
    /// Transactions that do not begin.
    pub begin_fails: f64,
    /// Commits that do not happen.
    pub commit_fails: f64,
    /// Commits that happen, and are reported as unknown.
    pub commit_unknown: f64,
    /// Begins and commits that are late.
    pub late: f64,
    /// How late, at most.
    pub latest: Duration,
}

/// Faults from a seed: the same seed gives the same faults in the same order.
#[derive(Debug)]
pub struct Faults {
    shares: Shares,
    random: Mutex<StdRng>,
    begun: AtomicBool,
    unknown: AtomicU64,
}

/// What becomes of a commit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Fate {
    /// It happens.
    #[default]
    Happens,
    /// It does not, and that is said.
    Fails,
    /// It happens, and that is not known.
    Unknown,
}

impl Faults {
    /// From a seed. Nothing goes wrong until [`begin`](Self::begin).
    pub fn new(seed: u64, shares: Shares) -> Self {
        let random = Mutex::new(StdRng::seed_from_u64(seed));
        Self { shares, random, begun: AtomicBool::new(false), unknown: AtomicU64::new(0) }
    }

    /// From now on, things go wrong.
    pub fn begin(&self) {
        self.begun.store(true, Ordering::Relaxed);
    }

    /// Commits that happened and were said to be unknown.
    pub fn unknown(&self) -> u64 {
        self.unknown.load(Ordering::Relaxed)
    }

    pub(super) async fn on_begin(&self) -> Result<(), DbErr> {
        let Shares { begin_fails, .. } = self.shares;
        let (fails, late) = self.draw(|random| random.random_bool(begin_fails));
        tokio::time::sleep(late).await;
        if fails { Err(fault("the transaction does not begin")) } else { Ok(()) }
    }

    pub(super) async fn on_commit(&self) -> Fate {
        let Shares { commit_fails, commit_unknown, .. } = self.shares;
        let (fate, late) = self.draw(|random| {
            if random.random_bool(commit_fails) {
                Fate::Fails
            } else if random.random_bool(commit_unknown) {
                Fate::Unknown
            } else {
                Fate::Happens
            }
        });
        tokio::time::sleep(late).await;
        if fate == Fate::Unknown {
            self.unknown.fetch_add(1, Ordering::Relaxed);
        }
        fate
    }

    fn draw<T: Default>(&self, what: impl FnOnce(&mut StdRng) -> T) -> (T, Duration) {
        if !self.begun.load(Ordering::Relaxed) {
            return (T::default(), Duration::ZERO);
        }
        let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        let drawn = what(&mut random);
        let is_late = random.random_bool(self.shares.late);
        let late =
            if is_late { self.shares.latest.mul_f64(random.random()) } else { Duration::ZERO };
        (drawn, late)
    }
}

/// As the store says it when it does not answer.
pub(super) fn fault(what: &str) -> DbErr {
    DbErr::Conn(RuntimeErr::Internal(format!("a fault on purpose: {what}")))
}
