//! A read replica: how far it has come, and reads that are never older.
use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr, Statement};
use tokio::{sync::watch, time};
use tokio_util::task::AbortOnDropHandle;

use super::{READERS, pool::Pool, tuned};
use crate::page::Secret;

/// How often the replica's head is read.
const POLL: Duration = Duration::from_millis(100);
/// How long the replica may take to say how far it has come; then it counts as gone.
const PATIENCE: Duration = Duration::from_secs(1);

/// A place in a store's history: an epoch, and a revision in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StorePosition {
    pub(super) epoch: i64,
    pub(super) revision: i64,
}

/// What is known of the replica.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Known {
    /// Where it has come to; none while it does not answer, is of another store, or has been promoted.
    reached: Option<StorePosition>,
    /// Connections opened so far. A new one may be to a server that was restarted, and then stands further back than it
    /// stood before: what was known of it holds no more.
    connections: u64,
}

impl Known {
    fn has(&self, place: StorePosition) -> bool {
        let is_past = |it: StorePosition| it.epoch == place.epoch && it.revision >= place.revision;
        self.reached.is_some_and(is_past)
    }

    /// Whether what was known before holds no more.
    fn doubts(&self, before: &Self) -> bool {
        self.reached.is_none() || self.connections != before.connections
    }
}

/// A streaming standby of the primary.
#[derive(Debug)]
pub(super) struct Replica {
    pool: Arc<Pool>,
    known: watch::Receiver<Known>,
    _follower: AbortOnDropHandle<()>,
}

impl Replica {
    /// Follows the standby at a URL. It need not be there yet.
    pub(super) async fn follow(url: &str, secret: Secret) -> Result<Arc<Self>, DbErr> {
        let (set, known) = watch::channel(Known::default());
        let set = Arc::new(set);
        let opened = Arc::clone(&set);
        let mut pool = tuned(url, READERS, PATIENCE);
        pool.min_connections(0).connect_lazy(true);
        pool.map_sqlx_postgres_pool_opts(move |it| {
            let opened = Arc::clone(&opened);
            it.after_connect(move |_, _| {
                opened.send_modify(|known| {
                    *known = Known { reached: None, connections: known.connections + 1 };
                });
                Box::pin(async { Ok(()) })
            })
        });
        let mut own = tuned(url, 1, PATIENCE);
        own.min_connections(0).connect_lazy(true);
        let (pool, own) = (Pool::open(pool, None).await?, Pool::open(own, None).await?);
        let follower = follow(own, Arc::clone(&pool), secret, set);
        let follower = AbortOnDropHandle::new(tokio::spawn(follower));
        Ok(Arc::new(Self { pool, known, _follower: follower }))
    }

    /// Whether it has come to a place.
    pub(super) fn has(&self, place: StorePosition) -> bool {
        self.known.borrow().has(place)
    }

    /// Asks it what stood at a place: no answer when it has not come there, or when it fails or goes away meanwhile.
    pub(super) async fn ask<T, A>(&self, place: StorePosition, ask: &A) -> Option<T>
    where
        A: for<'a> Fn(&'a DatabaseConnection) -> BoxFuture<'a, Result<T, DbErr>>,
    {
        let mut known = self.known.clone();
        let before = *known.borrow_and_update();
        if !before.has(place) {
            return None;
        }
        let db = self.pool.now();
        let answer = tokio::select! {
            answer = ask(&db) => answer,
            // It has gone, and the answer may never come; or the answer comes over a connection that was opened
            // since, from a server of which nothing is known.
            _ = known.wait_for(|it| it.doubts(&before)) => return None,
        };
        let doubts = known.borrow().doubts(&before);
        match answer {
            Ok(answer) => (!doubts).then_some(answer),
            Err(err) => {
                tracing::debug!(error = %err, "the replica did not answer");
                None
            }
        }
    }

    pub(super) async fn close(&self) -> Result<(), DbErr> {
        self.pool.now().close().await
    }
}

/// Keeps what is known of the replica.
async fn follow(own: Arc<Pool>, pool: Arc<Pool>, secret: Secret, set: Arc<watch::Sender<Known>>) {
    let mut told = false;
    loop {
        let before = set.borrow().connections;
        let asked = time::timeout(PATIENCE, head(&own.now(), &secret)).await;
        let (reached, lack) = match asked {
            Ok(Ok(Ok(place))) => (Some(place), None),
            Ok(Ok(Err(lack))) => (None, Some(lack.to_owned())),
            Ok(Err(err)) => (None, Some(err.to_string())),
            Err(_) => (None, Some("it does not answer".to_owned())),
        };
        set.send_if_modified(|known| {
            // What was read before the newest connection was opened says nothing about it.
            let reached = reached.filter(|_| known.connections == before);
            let moved = known.reached != reached;
            known.reached = reached;
            moved
        });
        // Once for each time that it goes and comes.
        match lack {
            Some(lack) if !told => tracing::warn!(error = %lack, "the replica is not used"),
            None if told => tracing::info!("the replica is used again"),
            Some(_) | None => {}
        }
        if told != reached.is_none() {
            told = !told;
            // What is left of the old connections is dead, or hangs.
            for pool in [&own, &pool] {
                if let Err(err) = pool.renew().await {
                    tracing::warn!(error = %err, "no new connections to the replica");
                }
            }
        }
        time::sleep(POLL).await;
    }
}

/// Where the server has come to, in one statement: while it is a standby, nobody else writes to it. What it lacks to be
/// of use, otherwise.
async fn head(
    own: &DatabaseConnection,
    secret: &Secret,
) -> Result<Result<StorePosition, &'static str>, DbErr> {
    let ask =
        "SELECT epoch, revision, secret, pg_is_in_recovery() AS standby FROM head, store_secret";
    let row = own.query_one_raw(Statement::from_string(DbBackend::Postgres, ask)).await?;
    let Some(row) = row else { return Ok(Err("it has no head")) };
    if !secret.is(&row.try_get::<Vec<u8>>("", "secret")?) {
        return Ok(Err("it is of another store"));
    }
    if !row.try_get::<bool>("", "standby")? {
        return Ok(Err("it is no standby"));
    }
    Ok(Ok(StorePosition {
        epoch: row.try_get("", "epoch")?,
        revision: row.try_get("", "revision")?,
    }))
}
