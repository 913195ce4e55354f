//! The encoding of records: the bytes that the log hashes, and what is decoded from them.
pub mod read;
pub mod shape;

use prost::Message;

use super::record::{Answered, Record, Who};
use crate::{code_name::code_name, pb, time::Timestamp};

/// The bytes of a record: what is hashed, kept and shown. They are made once, and never again from what was read of
/// them.
pub fn encode(seq: i64, at: Timestamp, epoch: i64, record: &Record) -> Vec<u8> {
    let Record {
        phase,
        who: Who { system, credential, purpose, agreement, tier },
        method,
        asked,
        answered: Answered { items, rejected, revision, personal, subjects },
        code,
        reason,
        request_id,
        trace_id,
        began_at,
        took,
        left_out,
    } = record;
    let record = pb::AuditRecord {
        seq,
        at: Some(at.into()),
        epoch,
        phase: *phase as i32,
        system: system.clone(),
        credential: credential.clone(),
        method: (*method).to_owned(),
        purpose: purpose.clone(),
        agreement: agreement.clone(),
        asked: asked.clone(),
        items: *items,
        revision: *revision,
        outcome: code_name(*code).to_owned(),
        reason: (*reason).into(),
        request_id: request_id.clone(),
        trace_id: trace_id.clone(),
        began_at: Some((*began_at).into()),
        took_us: i64::try_from(took.as_micros()).unwrap_or(i64::MAX),
        personal_data: *personal,
        subjects: subjects.clone(),
        left_out: *left_out,
        tier: tier.map_or(0, |it| pb::PersonalDataTier::from(it).into()),
        rejected_items: *rejected,
    };
    record.encode_to_vec()
}

/// What is checked of a record offline.
#[derive(Debug)]
pub struct ReadRecord {
    /// Its number.
    pub seq: i64,
    /// When it was written.
    pub at: Timestamp,
    /// Its epoch.
    pub epoch: i64,
    /// The calling system.
    pub system: String,
    /// The method.
    pub method: String,
    /// The name of the gRPC code.
    pub outcome: String,
    /// Whether there was personal data in the answer.
    pub personal: bool,
    /// The dossiers whose it was.
    pub subjects: Vec<String>,
}

/// Reads the bytes of a record.
pub fn decode(bytes: &[u8]) -> Option<ReadRecord> {
    let it = pb::AuditRecord::decode(bytes).ok()?;
    let prost_types::Timestamp { seconds, nanos } = it.at?;
    Some(ReadRecord {
        seq: it.seq,
        at: Timestamp::from_parts(seconds, nanos).ok()?,
        epoch: it.epoch,
        system: it.system,
        method: it.method,
        outcome: it.outcome,
        personal: it.personal_data,
        subjects: it.subjects,
    })
}
