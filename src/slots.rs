//! Concurrency limits per system and in all: slots for calls, streams and connections.
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
    taken: Mutex<TakenSlots>,
}

/// How many places are taken, in all and by each system.
#[derive(Debug, Default)]
struct TakenSlots {
    all: usize,
    by: BTreeMap<i64, usize>,
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
    Calls,
    StrangersCalls,
    Streams,
    Connections,
}

impl Slots {
    /// For so many streams in all, and so many of each system.
    pub fn new(all: usize, each: usize) -> Arc<Self> {
        Arc::new(Self { of: SlotUse::Streams, all, each, taken: Mutex::default() })
    }

    /// For so many calls in flight in all, and so many of each system.
    pub fn calls(all: usize, each: usize) -> Arc<Self> {
        Arc::new(Self { of: SlotUse::Calls, all, each, taken: Mutex::default() })
    }

    /// For so many calls in flight of all callers who are not identified.
    pub fn of_strangers(all: usize) -> Arc<Self> {
        Arc::new(Self { of: SlotUse::StrangersCalls, all, each: all, taken: Mutex::default() })
    }

    /// For so many connections of each system.
    pub fn connections(each: usize) -> Arc<Self> {
        Arc::new(Self { of: SlotUse::Connections, all: usize::MAX, each, taken: Mutex::default() })
    }

    /// How many are taken.
    pub fn taken(&self) -> usize {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).all
    }

    /// Takes a place for a system.
    pub fn take(self: &Arc<Self>, system_id: i64) -> Result<Slot> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let all = taken.all;
        let own = taken.by.get(&system_id).copied().unwrap_or(0);
        let (limit, of) = match () {
            () if own >= self.each => (self.each, "of this system"),
            () if all >= self.all => (self.all, "of all systems"),
            () => {
                taken.all += 1;
                taken.by.insert(system_id, own + 1);
                return Ok(Slot { slots: Arc::clone(self), system_id });
            }
        };
        let (reason, what) = match self.of {
            SlotUse::Calls => {
                (Reason::Overloaded, format!("{limit} calls {of} are in flight; try again"))
            }
            SlotUse::StrangersCalls => {
                let what = "calls of callers that are not identified are in flight; try again";
                (Reason::Overloaded, format!("{limit} {what}"))
            }
            SlotUse::Streams => (
                Reason::TooManyStreams,
                format!("{limit} streams {of} are open, and no more are served"),
            ),
            SlotUse::Connections => (
                Reason::TooManyConnections,
                format!("{limit} connections {of} are open, and no more are served"),
            ),
        };
        Err(Error::new(reason, what).with("limit", limit))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = self.slots.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = taken.by.get_mut(&self.system_id) {
            *own -= 1;
            if *own == 0 {
                taken.by.remove(&self.system_id);
            }
            taken.all -= 1;
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
