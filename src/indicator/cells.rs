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

/// Steps of the follower that are remembered: who read a little earlier may still keep what it read.
const STEPS: usize = 32;
/// Answers kept for one cell: to questions of another day, or for a period.
const EACH: usize = 4;
/// What a cell costs beside its bytes: its place in the map, the allocation, the words around it.
const OVERHEAD: usize = 200;

/// What was asked of a cell.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Question {
    /// Only this period.
    pub period: Option<Period>,
    /// The day on which the dashboard stands.
    pub date: Day,
    /// The breakdown; the total when empty.
    pub breakdown: Breakdown,
}

/// What revisions made versions of.
#[derive(Clone, Debug)]
pub enum Touched {
    /// Of these.
    Keys(HashSet<Key>),
    /// Of more than is worth telling, or of it is not known what.
    Everything,
}

/// Kept cells. What they cost is bounded; what was not asked for lately goes first.
pub struct Cells {
    kept: Mutex<Generations>,
    reached: watch::Sender<i64>,
    most_bytes: usize,
}

/// Two generations: what is asked for moves to the young one; when that is full, the old one goes.
#[derive(Default)]
struct Generations {
    /// The revision up to which it is known what was touched.
    through: i64,
    young: HashMap<Key, Vec<CachedCell>>,
    old: HashMap<Key, Vec<CachedCell>>,
    young_bytes: usize,
    /// What the last steps touched: after the first revision, through the second.
    steps: VecDeque<(i64, i64, HashSet<Key>)>,
}

#[derive(Clone)]
struct CachedCell {
    question: Question,
    /// The epoch and the names that it was read with: units, indicators, access.
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
    /// None yet, on a store whose newest revision is known; of about so many bytes, at most.
    pub fn new(through: i64, most_bytes: usize) -> Self {
        let kept = Mutex::new(Generations { through, ..Generations::default() });
        Self { kept, reached: watch::Sender::new(through), most_bytes }
    }

    /// The revision up to which it is known what was touched, as it moves.
    pub fn follow(&self) -> watch::Receiver<i64> {
        self.reached.subscribe()
    }

    /// Everything up to a revision is known now: these are no longer what they were.
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

    /// What is kept of these at a view, in their order.
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

    /// Keeps what was read at a view, except what may have changed since.
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
