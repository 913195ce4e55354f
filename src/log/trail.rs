//! The trail of one call: collects what its audit record will say.
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use tonic::Code;

use super::{
    record::{Answered, Phase, Record, Who},
    wire::{
        read::{LOOKED_AT, asked},
        shape::Method,
    },
};
use crate::{
    error::Reason,
    outcome::{Counts, Tally},
    personal::Tier,
    time::Timestamp,
};

/// Gathers what is to be recorded of a call; in the extensions of its request, and with its caller.
#[derive(Debug)]
pub struct Trail {
    of: Of,
    request_id: String,
    trace_id: String,
    began_at: Timestamp,
    began: Instant,
    seen: Mutex<Seen>,
    tally: Arc<Tally>,
}

/// What leaves a trail.
#[derive(Clone, Copy, Debug)]
enum Of {
    Call(&'static Method),
    /// What the hub does of its own accord.
    Internal(&'static str),
}

#[derive(Debug, Default)]
struct Seen {
    who: Option<Who>,
    /// How the request begins.
    request: Vec<u8>,
    /// Records that were committed together with what they are of.
    committed: u64,
}

impl Trail {
    /// Of a call.
    pub fn new(
        method: &'static Method,
        request_id: String,
        trace_id: String,
        tally: Arc<Tally>,
    ) -> Arc<Self> {
        Self::of(Of::Call(method), request_id, trace_id, tally)
    }

    /// Of what the hub does of its own accord, by this name.
    pub fn internal(what: &'static str) -> Arc<Self> {
        let trail = Self::of(Of::Internal(what), String::new(), String::new(), Arc::default());
        let who = Who { system: "sharehub".to_owned(), ..Who::default() };
        trail.seen().who = Some(who);
        trail
    }

    fn of(of: Of, request_id: String, trace_id: String, tally: Arc<Tally>) -> Arc<Self> {
        Arc::new(Self {
            of,
            request_id,
            trace_id,
            began_at: Timestamp::now(),
            began: Instant::now(),
            seen: Mutex::default(),
            tally,
        })
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The caller is known: the code of its system, and the kind and id of its credential.
    pub fn known(&self, system: &str, kind: &str, id: &str) {
        let (system, credential) = (system.to_owned(), format!("{kind} {id}"));
        self.seen().who = Some(Who { system, credential, ..Who::default() });
    }

    /// What it calls for is known, before it is known whether it may.
    pub fn asks(&self, purpose: Option<&str>) {
        if let (Some(who), Some(purpose)) = (&mut self.seen().who, purpose) {
            who.purpose = purpose.to_owned();
        }
    }

    /// It may, by these agreements.
    /// Their codes are separated by commas; the tier is none where no dossiers are dealt with.
    pub fn may(&self, agreements: String, tier: Option<Tier>) {
        if let Some(who) = &mut self.seen().who {
            who.agreement = agreements;
            who.tier = tier;
        }
    }

    /// The caller was not identified. The cause goes on record; the caller is not told.
    pub fn stranger(&self, cause: &str) {
        let credential = format!("refused: {cause}");
        self.seen().who = Some(Who { credential, ..Who::default() });
    }

    /// More of the request came.
    pub fn heard(&self, bytes: &[u8]) {
        let mut seen = self.seen();
        let left = LOOKED_AT.saturating_sub(seen.request.len());
        let taken = bytes.get(..left).unwrap_or(bytes);
        seen.request.extend_from_slice(taken);
    }

    /// The record of a write that is about to be committed, with it.
    pub fn written(&self, items: i64, rejected: usize, revision: i64) -> Record {
        let phase = match self.of {
            Of::Call(method) if method.is_stream => Phase::Part,
            Of::Call(_) | Of::Internal(_) => Phase::Whole,
        };
        let rejected = i64::try_from(rejected).unwrap_or(i64::MAX);
        let answered = Answered { items, rejected, revision, ..Answered::default() };
        self.record(phase, Code::Ok, Reason::Unspecified, answered)
    }

    /// A write of the call was answered: how many of its items became what.
    pub fn wrote(&self, counts: Counts) {
        self.tally.add(counts);
    }

    /// How many items the writes of the call rejected so far.
    pub fn rejected(&self) -> i64 {
        let rejected = self.tally.counts().map_or(0, |it| it.rejected);
        i64::try_from(rejected).unwrap_or(i64::MAX)
    }

    /// That record was committed.
    pub fn committed(&self) {
        self.seen().committed += 1;
    }

    /// Whether a record was committed with what the call did.
    pub fn is_committed(&self) -> bool {
        self.seen().committed > 0
    }

    /// A record as of now.
    pub fn record(&self, phase: Phase, code: Code, reason: Reason, answered: Answered) -> Record {
        let seen = self.seen();
        let (method, asked) = match self.of {
            Of::Call(method) => (method.name.as_str(), asked(method, &seen.request)),
            Of::Internal(what) => (what, String::new()),
        };
        Record {
            phase,
            who: seen.who.clone().unwrap_or_default(),
            method,
            asked,
            answered,
            code,
            reason,
            request_id: self.request_id.clone(),
            trace_id: self.trace_id.clone(),
            began_at: self.began_at,
            took: self.began.elapsed(),
            left_out: 0,
        }
    }
}
