//! Routes reads: to the primary, or to a replica that has reached the answer's revision.
use std::sync::Arc;

use futures_util::future::BoxFuture;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbBackend, DbErr, ExecResult, QueryResult, Statement,
    entity::prelude::async_trait::async_trait,
};

use super::{
    pool::Pool,
    replica::{Replica, StorePosition},
};

/// Answers questions. One that the replica cannot answer, or cannot answer any more, goes to the primary.
#[derive(Clone, Debug)]
pub struct Reader {
    primary: Arc<Pool>,
    replica: Option<(Arc<Replica>, StorePosition)>,
}

impl Reader {
    /// One that asks the primary.
    pub(super) fn new(primary: Arc<Pool>) -> Self {
        Self { primary, replica: None }
    }

    /// One that asks the replica what stood at a place in the history.
    pub(super) fn at(&self, replica: &Arc<Replica>, place: StorePosition) -> Self {
        Self { primary: Arc::clone(&self.primary), replica: Some((Arc::clone(replica), place)) }
    }

    async fn ask<T, A>(&self, ask: A) -> Result<T, DbErr>
    where
        A: for<'a> Fn(&'a DatabaseConnection) -> BoxFuture<'a, Result<T, DbErr>>,
    {
        if let Some((replica, place)) = &self.replica
            && let Some(answer) = replica.ask(*place, &ask).await
        {
            return Ok(answer);
        }
        self.primary.ask(ask).await
    }
}

#[async_trait]
impl ConnectionTrait for Reader {
    fn get_database_backend(&self) -> DbBackend {
        self.primary.get_database_backend()
    }

    /// A reader writes nothing; what does is sent to the primary.
    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.primary.execute_raw(statement).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.primary.execute_unprepared(sql).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.ask(|db| db.query_one_raw(statement.clone())).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.ask(|db| db.query_all_raw(statement.clone())).await
    }
}
