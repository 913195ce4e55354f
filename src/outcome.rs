//! What became of the items of a write, one by one and counted.
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

/// What became of one item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// New, and kept.
    Created,
    /// Supersedes an earlier version.
    Corrected,
    /// Kept already.
    Unchanged,
    /// Refused.
    Rejected,
}

/// How many items became what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// How many were new.
    pub created: usize,
    /// How many superseded an earlier version.
    pub corrected: usize,
    /// How many were kept already.
    pub unchanged: usize,
    /// How many were refused.
    pub rejected: usize,
}

impl Counts {
    /// Counts outcomes.
    pub fn of(outcomes: impl IntoIterator<Item = Outcome>) -> Self {
        let mut counts = Self::default();
        for outcome in outcomes {
            *match outcome {
                Outcome::Created => &mut counts.created,
                Outcome::Corrected => &mut counts.corrected,
                Outcome::Unchanged => &mut counts.unchanged,
                Outcome::Rejected => &mut counts.rejected,
            } += 1;
        }
        counts
    }

    /// The sum of both.
    #[must_use]
    pub fn plus(self, more: Self) -> Self {
        Self {
            created: self.created + more.created,
            corrected: self.corrected + more.corrected,
            unchanged: self.unchanged + more.unchanged,
            rejected: self.rejected + more.rejected,
        }
    }

    /// How many were not refused.
    pub fn accepted(self) -> usize {
        self.created + self.corrected + self.unchanged
    }

    /// How many changed something.
    pub fn changes(self) -> usize {
        self.created + self.corrected
    }
}

/// The items that the writes of one call answered, for its log line, the metrics and its audit record.
#[derive(Debug, Default)]
pub struct Tally(Mutex<Option<Counts>>);

impl Tally {
    /// A write was committed.
    pub fn add(&self, more: Counts) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts = Some(counts.unwrap_or_default().plus(more));
    }

    /// What was counted so far; none when nothing was written.
    pub fn counts(&self) -> Option<Counts> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
