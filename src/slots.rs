//! Concurrency limits per system and in all: slots for streams and connections.
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use crate::error::{Error, Reason, Result};

/// Places of one kind.
#[derive(Debug)]
pub struct Slots {
    of: SlotUse,
    all: usize,
    each: usize,
    taken: Mutex<BTreeMap<i64, usize>>,
}

/// A place that was taken; given back when dropped.
#[derive(Debug)]
pub struct Slot {
    slots: Arc<Slots>,
    system_id: i64,
}

/// What places are for.
#[derive(Clone, Copy, Debug)]
enum SlotUse {
    Streams,
    Connections,
}

impl Slots {
    /// For so many streams in all, and so many of each system.
    pub fn new(all: usize, each: usize) -> Arc<Self> {
        Arc::new(Self { of: SlotUse::Streams, all, each, taken: Mutex::default() })
    }

    /// For so many connections of each system.
    pub fn connections(each: usize) -> Arc<Self> {
        Arc::new(Self { of: SlotUse::Connections, all: usize::MAX, each, taken: Mutex::default() })
    }

    /// How many are taken.
    pub fn taken(&self) -> usize {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).values().sum()
    }

    /// Takes a place for a system.
    pub fn take(self: &Arc<Self>, system_id: i64) -> Result<Slot> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = taken.values().sum();
        let own = taken.get(&system_id).copied().unwrap_or(0);
        let (limit, of) = match () {
            () if own >= self.each => (self.each, "of this system"),
            () if all >= self.all => (self.all, "of all systems"),
            () => {
                taken.insert(system_id, own + 1);
                return Ok(Slot { slots: Arc::clone(self), system_id });
            }
        };
        let (reason, things) = match self.of {
            SlotUse::Streams => (Reason::TooManyStreams, "streams"),
            SlotUse::Connections => (Reason::TooManyConnections, "connections"),
        };
        let what = format!("{limit} {things} {of} are open, and no more are served");
        Err(Error::new(reason, what).with("limit", limit))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = self.slots.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = taken.get_mut(&self.system_id) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&self.system_id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_given_back() {
        let slots = Slots::new(3, 2);
        let limit = |it: Result<Slot>| it.err().map(|err| err.reason());
        let (a, b) = (slots.take(1).unwrap(), slots.take(1).unwrap());
        assert_eq!(limit(slots.take(1)), Some(Reason::TooManyStreams), "each has two");
        let c = slots.take(2).unwrap();
        assert_eq!(limit(slots.take(3)), Some(Reason::TooManyStreams), "three in all");
        drop(a);
        assert_eq!(slots.taken(), 2);
        let d = slots.take(3).unwrap();
        drop((b, c, d));
        assert_eq!(slots.taken(), 0);
    }
}
