//! Counts each request once, by method and final code, however it ends; and the items of writes, by what became of
//! them.
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    body::Body,
    extract::{Request, State},
    middleware::Next,
};
use http::Response;
use tonic::Code;

use super::ending::Ending;
use crate::{
    log::wire::shape::method,
    outcome::{Counts, Outcome, Tally},
};

/// What a path that is no method of ours is counted as: callers must not be able to make up names.
const OTHER: &str = "other";

/// The name under which a path is logged and counted.
pub(super) fn name(path: &str) -> &'static str {
    method(path).map_or(OTHER, |it| it.path.as_str())
}

/// How many calls ended how, and what became of how many items.
#[derive(Debug, Default)]
pub struct Meter {
    calls: Mutex<BTreeMap<(&'static str, i32), u64>>,
    items: Mutex<BTreeMap<&'static str, Counts>>,
}

impl Meter {
    /// How many calls of a method ended with a code.
    pub fn count(&self, method: &str, code: Code) -> u64 {
        let counts = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        counts.get(&(name(method), i32::from(code))).copied().unwrap_or(0)
    }

    /// How many calls ended how: by method, such as `/sharehub.v1.UnitService/GetUnit`, and code.
    pub fn counts(&self) -> Vec<(&'static str, Code, u64)> {
        let counts = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        counts.iter().map(|((method, code), count)| (*method, Code::from(*code), *count)).collect()
    }

    /// What became of the items of each method that writes.
    pub fn items(&self) -> Vec<(&'static str, [(Outcome, usize); 4])> {
        let items = self.items.lock().unwrap_or_else(PoisonError::into_inner);
        let told = |(method, counts): (&&'static str, &Counts)| {
            let Counts { created, corrected, unchanged, rejected } = *counts;
            let told = [
                (Outcome::Created, created),
                (Outcome::Corrected, corrected),
                (Outcome::Unchanged, unchanged),
                (Outcome::Rejected, rejected),
            ];
            (*method, told)
        };
        items.iter().map(told).collect()
    }

    fn add_items(&self, method: &'static str, more: Counts) {
        let mut items = self.items.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = items.entry(method).or_default();
        *counts = counts.plus(more);
    }

    fn add(&self, method: &'static str, code: Code) {
        let mut counts = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry((method, i32::from(code))).or_default() += 1;
    }
}

pub(super) async fn measure(
    State(meter): State<Arc<Meter>>,
    req: Request,
    next: Next,
) -> Response<Body> {
    let method = name(req.uri().path());
    let tally = req.extensions().get::<Arc<Tally>>().cloned().unwrap_or_default();
    let ending = Ending::new(move |code| {
        meter.add(method, code);
        if let Some(counts) = tally.counts() {
            meter.add_items(method, counts);
        }
    });
    ending.watch(next.run(req).await)
}
