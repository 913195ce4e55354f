//! A record of one call, or of a part of a stream. It holds no personal data.
use std::time::Duration;

use tonic::Code;

use crate::{error::Reason, personal::Tier, time::Timestamp};

/// What a record is of; numbers as in the proto.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// A whole call.
    Whole = 1,
    /// A stream began.
    Opened = 2,
    /// A part of a stream.
    Part = 3,
    /// A stream ended.
    Closed = 4,
}

/// Who called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Who {
    /// The code of the system.
    pub system: String,
    /// By what it showed itself.
    pub credential: String,
    /// The purpose that it named.
    pub purpose: String,
    /// The agreements under which it was answered: for a watch one for each kind of data.
    pub agreement: String,
    /// How much of personal data they show; none where no dossiers are dealt with.
    pub tier: Option<Tier>,
}

/// What was answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answered {
    /// How many items.
    pub items: i64,
    /// How many items of a write were rejected.
    pub rejected: i64,
    /// The revision that was seen, or made.
    pub revision: i64,
    /// Whether there was personal data in it.
    pub personal: bool,
    /// Of these dossiers.
    pub subjects: Vec<String>,
}

/// What is recorded of a call. The log adds its number, its time and its epoch.
#[derive(Clone, Debug)]
pub struct Record {
    /// What it is of.
    pub phase: Phase,
    /// Who called.
    pub who: Who,
    /// The method.
    pub method: &'static str,
    /// What was asked.
    pub asked: String,
    /// What was answered.
    pub answered: Answered,
    /// How it ended.
    pub code: Code,
    /// Why it was refused.
    pub reason: Reason,
    /// The request id.
    pub request_id: String,
    /// The trace id.
    pub trace_id: String,
    /// When the call began.
    pub began_at: Timestamp,
    /// How long it took.
    pub took: Duration,
    /// Refusals before it that are not recorded.
    pub left_out: i64,
}

impl Record {
    /// The same call, refused because this could not be recorded: nothing of the answer has left.
    #[must_use]
    pub fn withheld(self) -> Self {
        Self {
            answered: Answered::default(),
            code: Code::Unavailable,
            reason: Reason::AuditUnavailable,
            ..self
        }
    }
}
