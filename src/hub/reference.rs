//! Reference data by its type: units, definitions, procedures, access. It is kept in memory, and loaded anew when a
//! revision touched it.
use std::{
    any::{Any, TypeId},
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use sea_orm::ConnectionTrait;

use super::Hub;
use crate::{
    cache::VersionedCache,
    error::Result,
    revision::{ReferenceData, View, write::Write},
};

/// Reference data that a slice keeps in memory.
pub trait Reference: Sized + Send + Sync + 'static {
    /// Which of the sets that revisions touch it is made from.
    const WHICH: ReferenceData;

    /// Loads it as it stood at a revision.
    fn load(db: &impl ConnectionTrait, at: i64) -> impl Future<Output = Result<Self>> + Send;
}

/// Where reference data is read: at the view of a read, or as a write sees it.
#[derive(Clone, Copy, Debug)]
pub enum At<'a> {
    /// At a view.
    View(&'a View),
    /// As a write sees it, with what earlier writes of the same commit did.
    Write(&'a Write),
}

impl At<'_> {
    /// The last revision that touched a set of reference data.
    pub fn touched(self, which: ReferenceData) -> i64 {
        match self {
            Self::View(view) => view.touched(which),
            Self::Write(write) => write.head.touched(which),
        }
    }

    /// Whether a set stands as it was last committed, so that what is made from it may be kept in memory.
    pub fn is_committed(self, which: ReferenceData) -> bool {
        match self {
            Self::View(_) => true,
            Self::Write(write) => write.is_committed(which),
        }
    }
}

impl<'a> From<&'a View> for At<'a> {
    fn from(view: &'a View) -> Self {
        Self::View(view)
    }
}

impl<'a> From<&'a Write> for At<'a> {
    fn from(write: &'a Write) -> Self {
        Self::Write(write)
    }
}

/// The caches of a hub, one for each type of reference data.
#[derive(Default)]
pub(super) struct References(Mutex<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>);

impl fmt::Debug for References {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("References").finish_non_exhaustive()
    }
}

impl References {
    fn of<R: Reference>(&self) -> Result<Arc<VersionedCache<R>>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let cache = all
            .entry(TypeId::of::<R>())
            .or_insert_with(|| Arc::new(VersionedCache::<R>::default()));
        let cache = Arc::clone(cache).downcast::<VersionedCache<R>>();
        cache.map_err(|_| crate::error::Error::internal("a cache is of another type"))
    }
}

impl Hub {
    /// Reference data of a type, at a view or as a write sees it.
    pub async fn reference<'a, R: Reference>(&self, at: impl Into<At<'a>>) -> Result<Arc<R>> {
        let at = at.into();
        let number = at.touched(R::WHICH);
        match at {
            At::View(view) => {
                let db = self.db.at(view.position());
                self.references.of::<R>()?.at(number, R::load(&db, number)).await
            }
            At::Write(write) if at.is_committed(R::WHICH) => {
                self.references.of::<R>()?.at(number, R::load(&write.db, number)).await
            }
            At::Write(write) => Ok(Arc::new(R::load(&write.db, number).await?)),
        }
    }
}
