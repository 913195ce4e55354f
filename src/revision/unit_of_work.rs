//! Unit of work: the writes of a commit share one lookup and one statement per kind of row.
//!
//! A commit of a hundred small writes then asks the store as often as a commit of one. Each kind of row has its
//! [`Buffered`] buffer, which knows what of it stands after the writes so far: a write sees those before it there,
//! not in the tables.
use std::any::Any;

use futures_util::future::BoxFuture;
use sea_orm::DatabaseTransaction;

use crate::error::{Error, Result};

/// Things of one kind on a buffer.
pub trait Buffered: Any + Send {
    /// Looks up at once what writes said ahead that they will look for.
    fn look_up<'a>(&'a mut self, db: &'a DatabaseTransaction) -> BoxFuture<'a, Result<()>>;

    /// The write that ran has ended: what it left here is kept, or undone.
    fn settle(&mut self, is_kept: bool);

    /// Writes what is kept and not yet written.
    fn flush<'a>(&'a mut self, db: &'a DatabaseTransaction) -> BoxFuture<'a, Result<()>>;

    /// How many things wait to be written.
    fn waiting(&self) -> usize;
}

/// Things that wait to be written, at most: the rest of a commit's are then written in another statement.
const MOST: usize = 10_000;

/// What the writes of one commit share.
#[derive(Default)]
pub struct CommitBuffer {
    buffers: Vec<Box<dyn Buffered>>,
    /// Why something could not be written: the commit must not happen.
    failed: Option<Error>,
}

impl std::fmt::Debug for CommitBuffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let waiting: usize = self.buffers.iter().map(|it| it.waiting()).sum();
        f.debug_struct("CommitBuffer").field("waiting", &waiting).finish_non_exhaustive()
    }
}

impl CommitBuffer {
    /// The buffer for rows of a kind.
    pub fn buffered<L: Buffered + Default>(&mut self) -> &mut L {
        let mut buffers = self.buffers.iter();
        let found = buffers.position(|buffer| (buffer.as_ref() as &dyn Any).is::<L>());
        let place = found.unwrap_or_else(|| {
            self.buffers.push(Box::new(L::default()));
            self.buffers.len() - 1
        });
        let buffer: Option<&mut dyn Any> = self.buffers.get_mut(place).map(|it| it.as_mut() as _);
        #[expect(clippy::expect_used, reason = "it was found by its type, or put there just now")]
        buffer.and_then(|it| it.downcast_mut()).expect("a buffer is of its own type")
    }

    pub(in crate::revision) async fn look_up(&mut self, db: &DatabaseTransaction) -> Result<()> {
        for buffer in &mut self.buffers {
            buffer.look_up(db).await?;
        }
        Ok(())
    }

    pub(in crate::revision) fn settle(&mut self, is_kept: bool) {
        for buffer in &mut self.buffers {
            buffer.settle(is_kept);
        }
    }

    pub(in crate::revision) fn is_full(&self) -> bool {
        self.buffers.iter().map(|it| it.waiting()).sum::<usize>() > MOST
    }

    /// Fails when something of it could not be written.
    pub(in crate::revision) fn must_be_whole(&self) -> Result<()> {
        self.failed.clone().map_or(Ok(()), Err)
    }

    pub(in crate::revision) async fn flush(&mut self, db: &DatabaseTransaction) -> Result<()> {
        self.must_be_whole()?;
        for buffer in &mut self.buffers {
            if let Err(err) = buffer.flush(db).await {
                // What was taken off the buffer is lost.
                self.failed = Some(err.clone());
                return Err(err);
            }
        }
        Ok(())
    }
}
