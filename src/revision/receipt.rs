//! Receipts: what became of each item of a write, kept so that a retry gets the same answer.
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Revision;
use crate::{
    error::{Error, Result},
    outcome::{Counts, Outcome},
    time::Timestamp,
};

/// What became of one item, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemResult {
    /// What became of it.
    #[serde(rename = "o")]
    pub outcome: Outcome,
    /// Number of the reason on the wire; 0 when it was not refused.
    #[serde(rename = "r", default, skip_serializing_if = "is_zero")]
    pub reason: i32,
    /// In words.
    #[serde(rename = "m", default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Bad fields, with their rules.
    #[serde(rename = "v", default, skip_serializing_if = "Vec::is_empty")]
    pub violations: Vec<(String, String)>,
    /// The hub's id of the thing, or 0.
    #[serde(rename = "i", default, skip_serializing_if = "is_zero")]
    pub id: i64,
}

impl ItemResult {
    /// An item that was not refused.
    pub fn new(outcome: Outcome, id: i64) -> Self {
        Self { outcome, reason: 0, message: String::new(), violations: Vec::new(), id }
    }

    /// An item that was refused.
    pub fn refused(err: &Error) -> Self {
        Self {
            outcome: Outcome::Rejected,
            reason: err.reason().into(),
            message: err.message().to_owned(),
            violations: err
                .violations()
                .iter()
                .map(|it| (it.field.clone(), it.rule.clone()))
                .collect(),
            id: 0,
        }
    }
}

fn is_zero<T: Default + PartialEq>(number: &T) -> bool {
    *number == T::default()
}

/// The answer to a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The revision it made, or the newest one when nothing changed.
    pub revision: Revision,
    /// One for each item.
    pub results: Vec<ItemResult>,
    /// Whether this is the first answer again.
    pub replayed: bool,
    /// Whether it was only checked, and nothing of it is kept.
    pub validated_only: bool,
    /// The newest checkpoint of the audit log.
    pub checkpoint: Arc<str>,
}

/// The form in which a receipt is kept.
#[derive(Serialize, Deserialize)]
struct StoredReceipt {
    revision: i64,
    at: i64,
    results: Vec<ItemResult>,
}

impl Receipt {
    /// For a write that was only tried: what it would have made has no revision and no id.
    pub fn tried(newest: Revision, mut results: Vec<ItemResult>) -> Self {
        for made in results.iter_mut().filter(|it| it.outcome == Outcome::Created) {
            made.id = 0;
        }
        let checkpoint = Arc::default();
        Self { revision: newest, results, replayed: false, validated_only: true, checkpoint }
    }

    /// How many items became what.
    pub fn counts(&self) -> Counts {
        Counts::of(self.results.iter().map(|it| it.outcome))
    }

    /// The text that is kept.
    pub fn to_text(&self) -> Result<String> {
        let Revision { number, at } = self.revision;
        let kept =
            StoredReceipt { revision: number, at: at.micros(), results: self.results.clone() };
        serde_json::to_string(&kept).map_err(Error::internal)
    }

    /// From the text that was kept: a replay.
    pub fn parse(text: &str) -> Result<Self> {
        let StoredReceipt { revision, at, results } =
            serde_json::from_str(text).map_err(Error::internal)?;
        let revision = Revision { number: revision, at: Timestamp::from_micros(at) };
        let checkpoint = Arc::default();
        Ok(Self { revision, results, replayed: true, validated_only: false, checkpoint })
    }
}
