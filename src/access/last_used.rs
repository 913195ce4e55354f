//! When keys were last used: collected in memory, written in batches, outside the revisions.
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use crate::time::Timestamp;

/// Uses not written yet, by key id.
#[derive(Debug, Default)]
pub struct LastUsed(Mutex<HashMap<String, Timestamp>>);

impl LastUsed {
    /// Notes the use of a key.
    pub fn saw(&self, key: &str, at: Timestamp) {
        let mut uses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match uses.get_mut(key) {
            Some(last) => *last = at.max(*last),
            None => drop(uses.insert(key.to_owned(), at)),
        }
    }

    /// The last use of a key, if it is not written yet.
    pub fn last(&self, key: &str) -> Option<Timestamp> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).copied()
    }

    /// Takes every use not written yet; the caller writes them, or returns them with `saw`.
    pub fn take(&self) -> Vec<(String, Timestamp)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).drain().collect()
    }
}
