//! The revision log: the line that each revision of a commit leaves, written with the rest of the commit.
use futures_util::{FutureExt, future::BoxFuture};
use sea_orm::DatabaseTransaction;

use super::{
    Revision,
    row::log,
    touched::TouchedSet,
    unit_of_work::{Buffered, CommitBuffer},
};
use crate::{db::bulk, error::Result};

/// Lines that wait to be written.
#[derive(Default)]
struct LogLines(Vec<log::Model>);

/// Adds a revision's line to the buffer of its commit.
pub(in crate::revision) fn add_line(
    buffer: &mut CommitBuffer,
    revision: Revision,
    system_id: i64,
    touched: TouchedSet,
    items: i32,
) {
    let Revision { number, at } = revision;
    let line = log::Model {
        revision: number,
        committed_at: at.micros(),
        system_id,
        touched: touched.bits(),
        items,
    };
    buffer.buffered::<LogLines>().0.push(line);
}

impl Buffered for LogLines {
    fn look_up<'a>(&'a mut self, _: &'a DatabaseTransaction) -> BoxFuture<'a, Result<()>> {
        async { Ok(()) }.boxed()
    }

    /// A line is added only once its write is known to be kept.
    fn settle(&mut self, _: bool) {}

    fn flush<'a>(&'a mut self, db: &'a DatabaseTransaction) -> BoxFuture<'a, Result<()>> {
        bulk::add::<log::Entity>(db, std::mem::take(&mut self.0)).boxed()
    }

    fn waiting(&self) -> usize {
        self.0.len()
    }
}
