//! Versions of small reference data in memory, by the revision that made each; loaded when a revision touched them.
use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use crate::error::Result;

/// Versions kept: the newest, and a few for reads of the past.
const KEPT: usize = 4;

/// The versions of one set of reference data, by the revision that made each.
pub struct VersionedCache<T> {
    kept: Mutex<Vec<(i64, Arc<T>)>>,
    loading: tokio::sync::Mutex<()>,
}

impl<T> Default for VersionedCache<T> {
    fn default() -> Self {
        Self { kept: Mutex::default(), loading: tokio::sync::Mutex::default() }
    }
}

impl<T> fmt::Debug for VersionedCache<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VersionedCache").finish_non_exhaustive()
    }
}

impl<T> VersionedCache<T> {
    /// The data as revision `made_at` left it; loaded once.
    pub async fn at(&self, made_at: i64, load: impl Future<Output = Result<T>>) -> Result<Arc<T>> {
        if let Some(data) = self.get(made_at) {
            return Ok(data);
        }
        let _one_at_a_time = self.loading.lock().await;
        if let Some(data) = self.get(made_at) {
            return Ok(data);
        }
        let data = Arc::new(load.await?);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push((made_at, Arc::clone(&data)));
        kept.sort_by_key(|(at, _)| *at);
        if kept.len() > KEPT {
            // The oldest goes, unless it is the one just asked for: then the next oldest.
            let oldest = usize::from(kept.first().is_some_and(|(at, _)| *at == made_at));
            kept.remove(oldest);
        }
        Ok(data)
    }

    fn get(&self, made_at: i64) -> Option<Arc<T>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().find(|(at, _)| *at == made_at).map(|(_, data)| Arc::clone(data))
    }
}
