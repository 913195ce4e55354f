//! Connections to one server, and queries while it is away.
use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use futures_util::future::BoxFuture;
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, DbErr, ExecResult,
    QueryResult, RuntimeErr, Statement, entity::prelude::async_trait::async_trait,
};
use tokio::{sync::watch, time};
use tokio_util::task::AbortOnDropHandle;

use crate::error::{self, AWAY};

/// How often the server is asked whether it answers, while it does; and while it does not.
const PROBE: [Duration; 2] = [Duration::from_secs(1), Duration::from_millis(200)];
/// How long it may take to answer that.
const PROBE_PATIENCE: Duration = Duration::from_millis(2_500);
/// Probes in a row that find no connection, while the server answers, before the connections count as lost.
const MOST_STUCK: u32 = 5;

/// Whether a server answers.
#[derive(Clone, Debug)]
pub(super) struct ServerHealth(Arc<watch::Sender<bool>>);

impl ServerHealth {
    /// A server that is there.
    pub(super) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(true)))
    }

    pub(super) fn follow(&self) -> watch::Receiver<bool> {
        self.0.subscribe()
    }

    pub(super) fn beats(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits for an answer only as long as the server is there: a connection to one that is not may hang for as long as
    /// TCP is patient.
    pub(super) async fn during<T>(
        &self,
        answer: impl Future<Output = Result<T, DbErr>>,
    ) -> Result<T, DbErr> {
        let mut beats = self.follow();
        if !*beats.borrow() {
            return Err(gone());
        }
        tokio::select! {
            answer = answer => answer,
            _ = beats.wait_for(|it| !it) => Err(gone()),
        }
    }
}

fn gone() -> DbErr {
    DbErr::Conn(RuntimeErr::Internal(AWAY.to_owned()))
}

/// Connections, which are replaced after the server was away.
#[derive(Debug)]
pub(super) struct Pool {
    options: ConnectOptions,
    most: u32,
    current: RwLock<DatabaseConnection>,
    /// Only a server can go away.
    pulse: Option<ServerHealth>,
}

impl Pool {
    pub(super) async fn open(
        options: ConnectOptions,
        pulse: Option<ServerHealth>,
    ) -> Result<Arc<Self>, DbErr> {
        let current = RwLock::new(Database::connect(options.clone()).await?);
        let most = options.get_max_connections().unwrap_or(1);
        Ok(Arc::new(Self { options, most, current, pulse }))
    }

    /// The connections of now.
    pub(super) fn now(&self) -> DatabaseConnection {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes new connections. The old ones are closed when what they do has ended, which may be never.
    pub(super) async fn renew(&self) -> Result<(), DbErr> {
        let mut options = self.options.clone();
        options.connect_lazy(true);
        let new = Database::connect(options).await?;
        let old = std::mem::replace(
            &mut *self.current.write().unwrap_or_else(PoisonError::into_inner),
            new,
        );
        tokio::spawn(async move {
            if let Err(err) = old.close().await {
                tracing::debug!(error = %err, "old connections did not close");
            }
        });
        Ok(())
    }

    /// Asks a question. It is asked again when it met a connection that had died: a server that was restarted leaves
    /// nothing but these.
    pub(super) async fn ask<T, A>(&self, ask: A) -> Result<T, DbErr>
    where
        A: for<'a> Fn(&'a DatabaseConnection) -> BoxFuture<'a, Result<T, DbErr>>,
    {
        let db = self.now();
        let Some(pulse) = &self.pulse else { return ask(&db).await };
        for _ in 0..self.most {
            match pulse.during(ask(&db)).await {
                Err(err) if error::is_lost(&err) => {}
                answer => return answer,
            }
        }
        pulse.during(ask(&db)).await
    }

    /// Does something once.
    pub(super) async fn once<T>(
        &self,
        done: impl Future<Output = Result<T, DbErr>>,
    ) -> Result<T, DbErr> {
        match &self.pulse {
            None => done.await,
            Some(pulse) => pulse.during(done).await,
        }
    }
}

#[async_trait]
impl ConnectionTrait for Pool {
    fn get_database_backend(&self) -> DbBackend {
        self.current.read().unwrap_or_else(PoisonError::into_inner).get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        let db = self.now();
        self.once(db.execute_raw(statement)).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        let db = self.now();
        self.once(db.execute_unprepared(sql)).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.ask(|db| db.query_one_raw(statement.clone())).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.ask(|db| db.query_all_raw(statement.clone())).await
    }
}

/// Feels the pulse of a server over a connection of its own, and has the pools renewed after it was away.
pub(super) async fn watch(
    mut own: ConnectOptions,
    pulse: ServerHealth,
    pools: Vec<Arc<Pool>>,
) -> Result<AbortOnDropHandle<()>, DbErr> {
    own.max_connections(1).min_connections(0).connect_lazy(true).acquire_timeout(PROBE_PATIENCE);
    let own = Pool::open(own, None).await?;
    Ok(AbortOnDropHandle::new(tokio::spawn(feel(own, pulse, pools))))
}

async fn feel(own: Arc<Pool>, pulse: ServerHealth, pools: Vec<Arc<Pool>>) {
    let mut stuck = 0;
    loop {
        let [calm, away] = PROBE;
        time::sleep(if pulse.beats() { calm } else { away }).await;
        let (was, lack) = (pulse.beats(), probe(&own).await.err());
        let is = lack.is_none();
        // Once for each time that it goes and comes.
        match &lack {
            Some(lack) if was => tracing::error!(error = %lack, "the store does not answer"),
            None if !was => tracing::info!("the store answers again"),
            Some(_) | None => {}
        }
        stuck = match pools.first() {
            Some(pool) if was && is && probe(pool).await.is_err() => stuck + 1,
            Some(_) | None => 0,
        };
        let mut stale: Vec<&Arc<Pool>> = Vec::new();
        if !is {
            stale.push(&own);
        } else if !was || stuck >= MOST_STUCK {
            // Before anybody asks again: what is left of the old connections is dead, or hangs.
            stale.extend(&pools);
            stuck = 0;
        }
        for pool in stale {
            if let Err(err) = pool.renew().await {
                tracing::error!(error = %err, "no new connections");
            }
        }
        pulse.0.send_if_modified(|beats| std::mem::replace(beats, is) != is);
    }
}

/// Whether the server answers over one of these connections; what it lacks, if not.
async fn probe(pool: &Pool) -> Result<(), String> {
    let db = pool.now();
    let ask = Statement::from_string(db.get_database_backend(), "SELECT revision FROM head");
    match time::timeout(PROBE_PATIENCE, db.query_one_raw(ask)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(err)) => Err(err.to_string()),
        Err(_) => Err(format!("nothing within {PROBE_PATIENCE:?}")),
    }
}
