//! The cell cache: encoded cells of snapshots, valid until a revision touches what they say.
use std::{
    collections::{HashMap, HashSet, VecDeque},
    fmt,
    sync::{Mutex, PoisonError},
};

use bytes::Bytes;
use tokio::sync::watch;

use super::Breakdown;
use crate::{
    period::Period,
    revision::{ReferenceData, View},
    time::Day,
};

/// An indicator and a unit, by their ids.
pub type Key = (i64, i64);

/// Steps of the follower kept in memory, so that a slightly older read may still enter the cache.
const STEPS: usize = 32;
/// Most answers cached for one cell: for other days or periods.
const EACH: usize = 4;
/// The memory that a cell takes beside its bytes: its map entry, the allocation, the fields around it.
const OVERHEAD: usize = 200;

/// The question that a cached cell answers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Question {
    /// Only this period.
    pub period: Option<Period>,
    /// The date of the dashboard.
    pub date: Day,
    /// The breakdown; the total when empty.
    pub breakdown: Breakdown,
}

/// The cells that revisions touched.
#[derive(Clone, Debug)]
pub enum Touched {
    /// These cells.
    Keys(HashSet<Key>),
    /// Too many to list, or unknown ones.
    Everything,
}

/// Cached cells. Their memory is bounded; the least recently used go first.
pub struct Cells {
    kept: Mutex<Generations>,
    reached: watch::Sender<i64>,
    most_bytes: usize,
}

/// Two generations: a cell that is used moves to the young one; when that is full, the old one is dropped.
#[derive(Default)]
struct Generations {
    /// The revision up to which touched cells are known.
    through: i64,
    young: HashMap<Key, Vec<CachedCell>>,
    old: HashMap<Key, Vec<CachedCell>>,
    young_bytes: usize,
    /// The cells that the last steps touched: after the first revision, through the second.
    steps: VecDeque<(i64, i64, HashSet<Key>)>,
}

#[derive(Clone)]
struct CachedCell {
    question: Question,
    /// The epoch and the reference data that it was read with: units, indicators, access.
    names: [i64; 4],
    /// The revision that it was read at; it has held since.
    at: i64,
    bytes: Bytes,
}

fn names(view: &View) -> [i64; 4] {
    let [units, indicators, access] =
        [ReferenceData::Units, ReferenceData::Indicators, ReferenceData::Access]
            .map(|it| view.touched(it));
    [view.epoch(), units, indicators, access]
}

impl fmt::Debug for Cells {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cells").field("most_bytes", &self.most_bytes).finish_non_exhaustive()
    }
}

impl Cells {
    /// An empty cache of about so many bytes at most, on a store with this newest revision.
    pub fn new(through: i64, most_bytes: usize) -> Self {
        let kept = Mutex::new(Generations { through, ..Generations::default() });
        Self { kept, reached: watch::Sender::new(through), most_bytes }
    }

    /// A receiver of the revision up to which touched cells are known.
    pub fn follow(&self) -> watch::Receiver<i64> {
        self.reached.subscribe()
    }

    /// Drops the cells that the revisions up to this one touched.
    pub fn touched(&self, through: i64, touched: Touched) {
        {
            let mut kept = self.lock();
            match &touched {
                Touched::Keys(keys) => {
                    for key in keys {
                        let gone = kept.young.remove(key).unwrap_or_default();
                        kept.young_bytes = kept.young_bytes.saturating_sub(cost(&gone));
                        kept.old.remove(key);
                    }
                }
                Touched::Everything => {
                    *kept = Generations { through, ..Generations::default() };
                }
            }
            if let Touched::Keys(keys) = touched {
                let after = std::mem::replace(&mut kept.through, through);
                kept.steps.push_back((after, through, keys));
                if kept.steps.len() > STEPS {
                    kept.steps.pop_front();
                }
            }
        }
        self.reached.send_replace(through);
    }

    /// The cached ones of these cells at a view, in their order.
    pub fn at(&self, view: &View, question: &Question, keys: &[Key]) -> Vec<Option<Bytes>> {
        let (number, names) = (view.number(), names(view));
        let mut kept = self.lock();
        if kept.through < number || self.most_bytes == 0 {
            return vec![None; keys.len()];
        }
        let fits =
            |it: &&CachedCell| it.question == *question && it.names == names && it.at <= number;
        let found = keys.iter().map(|key| {
            if let Some(old) = kept.old.remove(key) {
                for cell in old {
                    kept.put(*key, cell, self.most_bytes);
                }
            }
            let cells = kept.young.get(key).map_or(&[] as &[_], Vec::as_slice);
            cells.iter().find(fits).map(|it| it.bytes.clone())
        });
        found.collect()
    }

    /// Caches cells that were read at a view, except those that may have changed since.
    pub fn keep(
        &self,
        view: &View,
        question: &Question,
        cells: impl IntoIterator<Item = (Key, Bytes)>,
    ) {
        if self.most_bytes == 0 {
            return;
        }
        let (at, names) = (view.number(), names(view));
        let mut kept = self.lock();
        let is_known = at >= kept.through || kept.steps.iter().any(|(after, _, _)| *after <= at);
        if !is_known {
            return;
        }
        for (key, bytes) in cells {
            let later = |(_, through, touched): &(i64, i64, HashSet<Key>)| {
                *through > at && touched.contains(&key)
            };
            if !kept.steps.iter().any(later) {
                let cell = CachedCell { question: question.clone(), names, at, bytes };
                kept.put(key, cell, self.most_bytes);
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Generations> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Generations {
    fn put(&mut self, key: Key, cell: CachedCell, most_bytes: usize) {
        let cells = self.young.entry(key).or_default();
        // One for each question, the one that was read last.
        let same = cells.iter().position(|it| it.question == cell.question);
        let gone = match same {
            Some(place) if cells.get(place).is_some_and(|it| it.at > cell.at) => return,
            Some(place) => Some(cells.remove(place)),
            None if cells.len() >= EACH => Some(cells.remove(0)),
            None => None,
        };
        self.young_bytes += cell.bytes.len() + OVERHEAD;
        cells.push(cell);
        self.young_bytes = self.young_bytes.saturating_sub(cost(gone.as_slice()));
        if self.young_bytes > most_bytes / 2 {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
    }
}

fn cost(cells: &[CachedCell]) -> usize {
    cells.iter().map(|it| it.bytes.len() + OVERHEAD).sum()
}
