//! When keys were last used: kept in memory and written in groups, outside the revisions.
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use crate::time::Timestamp;

/// What was not written yet, by the keys' ids.
#[derive(Debug, Default)]
pub struct LastUsed(Mutex<HashMap<String, Timestamp>>);

impl LastUsed {
    /// A key was used.
    pub fn saw(&self, key: &str, at: Timestamp) {
        let mut uses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match uses.get_mut(key) {
            Some(last) => *last = at.max(*last),
            None => drop(uses.insert(key.to_owned(), at)),
        }
    }

    /// When a key was used last, as far as that was not written.
    pub fn last(&self, key: &str) -> Option<Timestamp> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).copied()
    }

    /// All that was not written; the caller writes it, or gives it back with `saw`.
    pub fn take(&self) -> Vec<(String, Timestamp)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).drain().collect()
    }
}
