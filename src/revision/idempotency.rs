//! Idempotency: a `request_id` and the receipt it was answered with commit together with the write's effect, so that a
//! repeated request returns the first answer or finds nothing done.
use std::collections::{HashMap, HashSet};

use futures_util::{FutureExt, future::BoxFuture};
use sea_orm::{ConnectionTrait, DatabaseTransaction};

use crate::{
    db::bulk::{self, Keys},
    error::Result,
    revision::{
        receipt::Receipt,
        row::answered,
        unit_of_work::{Buffered, CommitBuffer},
        write::Write,
    },
    time::Timestamp,
};

/// A system's id, and its own id of a request.
type Request = (i64, String);
/// What a request was, and the receipt that it got.
type Answer = (Vec<u8>, String);

/// Answers to requests.
#[derive(Default)]
struct Answers {
    wanted: HashSet<Request>,
    /// What is known of requests after the writes so far; none where there was no such request.
    known: HashMap<Request, Option<Answer>>,
    /// What the write that runs answers.
    draft: Option<answered::Model>,
    kept: Vec<answered::Model>,
}

impl Answers {
    async fn read(
        &mut self,
        db: &impl ConnectionTrait,
        requests: impl Iterator<Item = Request>,
    ) -> Result<()> {
        let unknown: Vec<_> = requests.filter(|it| !self.known.contains_key(it)).collect();
        let names = unknown.iter().map(|(system, id)| vec![(*system).into(), id.as_str().into()]);
        let keys = Keys::new(db, &["system_id", "request_id"], names)?;
        let found: Vec<answered::Model> = keys.find(db, "answered_request").await?;
        self.known.extend(unknown.into_iter().map(|it| (it, None)));
        for answered::Model { system_id, request_id, fingerprint, receipt, answered_at: _ } in found
        {
            self.known.insert((system_id, request_id), Some((fingerprint, receipt)));
        }
        Ok(())
    }
}

impl Buffered for Answers {
    fn look_up<'a>(&'a mut self, db: &'a DatabaseTransaction) -> BoxFuture<'a, Result<()>> {
        let wanted = std::mem::take(&mut self.wanted);
        self.read(db, wanted.into_iter()).boxed()
    }

    fn settle(&mut self, is_kept: bool) {
        let Some(row) = self.draft.take().filter(|_| is_kept) else { return };
        let answer = (row.fingerprint.clone(), row.receipt.clone());
        self.known.insert((row.system_id, row.request_id.clone()), Some(answer));
        self.kept.push(row);
    }

    fn flush<'a>(&'a mut self, db: &'a DatabaseTransaction) -> BoxFuture<'a, Result<()>> {
        bulk::add::<answered::Entity>(db, std::mem::take(&mut self.kept)).boxed()
    }

    fn waiting(&self) -> usize {
        self.kept.len()
    }
}

/// Says ahead that a request's answer will be looked for.
pub fn want_answer(buffer: &mut CommitBuffer, system_id: i64, request_id: &str) {
    buffer.buffered::<Answers>().wanted.insert((system_id, request_id.to_owned()));
}

/// What a system's request was, and the receipt it got.
pub async fn answered(
    write: &Write,
    system_id: i64,
    request_id: &str,
) -> Result<Option<(Vec<u8>, Receipt)>> {
    let request = (system_id, request_id.to_owned());
    let mut buffer = write.buffer().await;
    let answers = buffer.buffered::<Answers>();
    answers.read(write.before(), std::iter::once(request.clone())).await?;
    let known = answers.known.get(&request).cloned().flatten();
    known.map(|(fingerprint, text)| Ok((fingerprint, Receipt::parse(&text)?))).transpose()
}

/// Keeps what a system's request was answered.
pub async fn keep_answer(
    write: &Write,
    system_id: i64,
    request_id: String,
    fingerprint: [u8; 32],
    receipt: &Receipt,
    at: Timestamp,
) -> Result<()> {
    let row = answered::Model {
        system_id,
        request_id,
        fingerprint: fingerprint.to_vec(),
        receipt: receipt.to_text()?,
        answered_at: at.micros(),
    };
    write.buffer().await.buffered::<Answers>().draft = Some(row);
    Ok(())
}
