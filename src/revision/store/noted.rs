//! What every write of a commit may leave on its slate: its line in the log, and the answer to its request.
use std::collections::{HashMap, HashSet};

use futures_util::{FutureExt, future::BoxFuture};
use sea_orm::{ConnectionTrait, DatabaseTransaction};

use crate::{
    db::bulk::{self, Keys},
    error::Result,
    revision::{
        Revision,
        committer::Write,
        receipt::Receipt,
        row::{answered, log},
        store::slate::{Leaf, Slate},
    },
    time::Timestamp,
};

/// Lines for the log.
#[derive(Default)]
struct Lines(Vec<log::Model>);

/// Leaves a revision's line in the log.
pub(in crate::revision) fn log(
    slate: &mut Slate,
    revision: Revision,
    system_id: i64,
    touched: i32,
    items: i32,
) {
    let Revision { number, at } = revision;
    let line =
        log::Model { revision: number, committed_at: at.micros(), system_id, touched, items };
    slate.leaf::<Lines>().0.push(line);
}

impl Leaf for Lines {
    fn look_up<'a>(&'a mut self, _: &'a DatabaseTransaction) -> BoxFuture<'a, Result<()>> {
        async { Ok(()) }.boxed()
    }

    /// A line is left when it is known that its write is kept.
    fn settle(&mut self, _: bool) {}

    fn flush<'a>(&'a mut self, db: &'a DatabaseTransaction) -> BoxFuture<'a, Result<()>> {
        bulk::add::<log::Entity>(db, std::mem::take(&mut self.0)).boxed()
    }

    fn waiting(&self) -> usize {
        self.0.len()
    }
}

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

impl Leaf for Answers {
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
pub fn want_answer(slate: &mut Slate, system_id: i64, request_id: &str) {
    slate.leaf::<Answers>().wanted.insert((system_id, request_id.to_owned()));
}

/// What a system's request was, and the receipt it got.
pub async fn answered(
    write: &Write,
    system_id: i64,
    request_id: &str,
) -> Result<Option<(Vec<u8>, Receipt)>> {
    let request = (system_id, request_id.to_owned());
    let mut slate = write.slate().await;
    let answers = slate.leaf::<Answers>();
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
    write.slate().await.leaf::<Answers>().draft = Some(row);
    Ok(())
}
