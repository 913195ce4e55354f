//! The transaction of one write: a savepoint inside the commit's transaction, set by the first statement.
use std::sync::Arc;

use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, ExecResult, QueryResult, Statement,
    TransactionTrait, entity::prelude::async_trait::async_trait,
};
use tokio::sync::{Mutex, OnceCell};

use super::unit_of_work::CommitBuffer;
use crate::error::Result;

/// The transaction of a commit, and what its writes share.
#[derive(Debug)]
pub(in crate::revision) struct SharedTx {
    pub(in crate::revision) tx: DatabaseTransaction,
    pub(in crate::revision) buffer: Mutex<CommitBuffer>,
}

/// The store as one write sees it, with what earlier writes of the same commit did. A write that uses only the buffer
/// never comes here.
#[derive(Debug)]
pub struct WriteTx {
    pub(in crate::revision) shared: Arc<SharedTx>,
    savepoint: OnceCell<DatabaseTransaction>,
}

impl WriteTx {
    pub(in crate::revision) fn new(shared: Arc<SharedTx>) -> Self {
        Self { shared, savepoint: OnceCell::new() }
    }

    /// The savepoint. What earlier writes left on the buffer is written before it, and stays when it is undone.
    pub(in crate::revision) async fn savepoint(&self) -> Result<&DatabaseTransaction, DbErr> {
        let set = async || {
            let SharedTx { tx, buffer } = self.shared.as_ref();
            let flushed = buffer.lock().await.flush(tx).await;
            flushed.map_err(|err| DbErr::Custom(err.to_string()))?;
            tx.begin().await
        };
        self.savepoint.get_or_try_init(set).await
    }

    /// Ends the write: what it did is kept, or undone, on the buffer and in the store. Fails when the commit must;
    /// inside is whether this write does.
    pub(in crate::revision) async fn end(self, is_kept: bool) -> Result<Result<()>> {
        let Self { shared, savepoint } = self;
        let mut buffer = shared.buffer.lock().await;
        buffer.settle(is_kept);
        let Some(savepoint) = savepoint.into_inner() else {
            buffer.must_be_whole()?;
            if buffer.is_full() {
                buffer.flush(&shared.tx).await?;
            }
            return Ok(Ok(()));
        };
        if !is_kept {
            return Ok(Ok(savepoint.rollback().await?));
        }
        // What it left on the buffer stands or falls with the rest of it.
        if let Err(err) = buffer.flush(&shared.tx).await {
            savepoint.rollback().await?;
            // Nothing else was left there: the buffer was written before the savepoint was set.
            *buffer = CommitBuffer::default();
            return Ok(Err(err));
        }
        Ok(Ok(savepoint.commit().await?))
    }
}

#[async_trait]
impl ConnectionTrait for WriteTx {
    fn get_database_backend(&self) -> DbBackend {
        self.shared.tx.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.savepoint().await?.execute_raw(statement).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.savepoint().await?.execute_unprepared(sql).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.savepoint().await?.query_one_raw(statement).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.savepoint().await?.query_all_raw(statement).await
    }
}
