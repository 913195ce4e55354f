//! Opens and tunes each engine: one connection that writes, several that read.
pub mod bulk;
pub mod faults;
mod files;
pub mod list;
pub mod migration;
mod pool;
pub mod presence;
mod reader;
mod replica;

use std::{fmt, sync::Arc, time::Duration};

use rand::RngCore;
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DatabaseTransaction, DbBackend,
    DbErr, RuntimeErr, SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait,
    sqlx::{
        postgres::PgConnectOptions,
        sqlite::{SqliteJournalMode, SqliteSynchronous},
    },
};
use sea_orm_migration::MigratorTrait;
use tokio::{
    sync::{Mutex, MutexGuard, watch},
    time,
};
use tokio_util::task::AbortOnDropHandle;

pub use self::reader::Reader;
use self::{
    faults::{Fate, Faults},
    pool::{Pool, ServerHealth},
    replica::{Replica, StorePosition},
};
use crate::{
    error::{self, AWAY, Error, Reason, Result},
    page::Secret,
    personal::vault::Vault,
    time::Timestamp,
};

/// Connections that read.
const READERS: u32 = 4;
/// Values bound to one statement, at most; SQLite allows 32,766.
pub const MOST_BINDS: usize = 30_000;

/// Where a store is, and how it is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// Its URL: `sqlite://path` or `postgres://...`.
    pub url: String,
    /// A streaming standby, which answers what it can.
    pub replica_url: Option<String>,
    /// How long a call waits for a connection: less than it may take.
    pub patience: Duration,
    /// What goes wrong on purpose; in tests only.
    pub faults: Option<Arc<Faults>>,
    /// What commits take their time from.
    pub clock: Clock,
    /// The keys of personal data; without any, none is kept.
    pub vault: Vault,
}

/// A clock: the machine's, or one that a test sets.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// A clock that shows what this returns.
    pub fn new(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock(..)")
    }
}

impl Options {
    /// A store by its URL, and the rest as usual.
    pub fn new(url: impl Into<String>) -> Self {
        let patience = Duration::from_secs(5);
        let clock = Clock::new(Timestamp::now);
        let (replica_url, faults, vault) = (None, None, Vault::default());
        Self { url: url.into(), replica_url, patience, faults, clock, vault }
    }
}

/// A store.
#[derive(Clone, Debug)]
pub struct Db(Arc<DbInner>);

#[derive(Debug)]
struct DbInner {
    read: Reader,
    pool: Arc<Pool>,
    write: Arc<Pool>,
    log: Arc<Pool>,
    /// Whose turn it is to write to an embedded store, which has one writer.
    turns: Option<Mutex<()>>,
    replica: Option<Arc<Replica>>,
    secret: Secret,
    vault: Vault,
    faults: Option<Arc<Faults>>,
    clock: Clock,
    pulse: ServerHealth,
    _feeling: Option<AbortOnDropHandle<()>>,
}

impl Db {
    /// Opens a store by its URL (`sqlite://path` or `postgres://...`), and brings its schema up to date.
    pub async fn open(url: &str) -> Result<Self> {
        Self::open_with(Options::new(url)).await
    }

    /// Opens a store, and brings its schema up to date.
    pub async fn open_with(options: Options) -> Result<Self> {
        let Options { url, replica_url, patience, faults, clock, vault } = options;
        let is_server = is_postgres(&url);
        for url in [Some(&url).filter(|_| is_server), replica_url.as_ref()].into_iter().flatten() {
            // What cannot be read as a URL would make the driver panic.
            let options: std::result::Result<PgConnectOptions, _> = url.parse();
            options.map_err(|err| DbErr::Conn(RuntimeErr::SqlxError(Arc::new(err))))?;
        }
        let mut first = tuned(&url, 1, patience);
        if is_server {
            // A change of the schema takes as long as it takes.
            let patient = [("statement_timeout", "0"), ("lock_timeout", "0")];
            first.map_sqlx_postgres_opts(move |it| it.options(SESSION).options(patient));
        }
        files::keep_private(&url);
        let first = Database::connect(first).await?;
        files::keep_private(&url);
        migration::Migrator::up(&first, None).await?;
        let secret = secret(&first).await?;
        know_keys(&first, &vault).await?;
        first.close().await?;
        let pulse = ServerHealth::new();
        let felt = is_server.then(|| pulse.clone());
        let pool = Pool::open(tuned(&url, READERS, patience), felt.clone()).await?;
        let write = Pool::open(tuned(&url, 1, patience), felt.clone()).await?;
        let log = match is_server {
            true => Pool::open(tuned(&url, 1, patience), felt.clone()).await?,
            false => Arc::clone(&write),
        };
        let turns = (!is_server).then(Mutex::default);
        let feeling = match felt {
            None => None,
            Some(pulse) => {
                let pools = vec![Arc::clone(&pool), Arc::clone(&write), Arc::clone(&log)];
                Some(pool::watch(tuned(&url, 1, patience), pulse, pools).await?)
            }
        };
        let replica = match replica_url {
            None => None,
            Some(url) => Some(Replica::follow(&url, secret.clone()).await?),
        };
        let read = Reader::new(Arc::clone(&pool));
        Ok(Self(Arc::new(DbInner {
            read,
            pool,
            write,
            log,
            turns,
            replica,
            secret,
            vault,
            faults,
            clock,
            pulse,
            _feeling: feeling,
        })))
    }

    /// Begins a transaction beside those of commits: for what is counted in place, and is no part of a revision.
    pub async fn begin_beside(&self) -> Result<DatabaseTransaction> {
        match self.0.pool.get_database_backend() {
            DbBackend::Postgres => {
                let db = self.0.pool.now();
                Ok(self.0.pool.once(db.begin()).await?)
            }
            // SQLite has one writer.
            DbBackend::Sqlite | DbBackend::MySql | _ => self.commits().begin().await,
        }
    }

    /// For questions about what is newest, such as the head itself. It sees what was committed when each statement
    /// began.
    pub fn read(&self) -> &Reader {
        &self.0.read
    }

    /// For questions about what stood at a revision of an epoch: the replica, when it has come as far, or else the
    /// primary.
    pub fn at(&self, (epoch, revision): (i64, i64)) -> Reader {
        let place = StorePosition { epoch, revision };
        match &self.0.replica {
            Some(replica) if replica.has(place) => self.0.read.at(replica, place),
            Some(_) | None => self.0.read.clone(),
        }
    }

    /// For the committer only.
    pub fn write(&self) -> &impl ConnectionTrait {
        self.0.write.as_ref()
    }

    /// The time, for a commit.
    pub fn clock(&self) -> Timestamp {
        self.0.clock.0()
    }

    /// The key that seals page tokens.
    pub fn secret(&self) -> &Secret {
        &self.0.secret
    }

    /// The keys of personal data.
    pub fn vault(&self) -> &Vault {
        &self.0.vault
    }

    /// The engine's name.
    pub fn engine(&self) -> &'static str {
        match self.0.pool.get_database_backend() {
            DbBackend::Sqlite => "sqlite",
            DbBackend::Postgres => "postgres",
            DbBackend::MySql | _ => "unknown",
        }
    }

    /// Commits, for the committer.
    pub fn commits(&self) -> Writer<'_> {
        Writer { db: self, pool: &self.0.write, faults: self.0.faults.as_deref() }
    }

    /// Commits, for the audit log: on a server over a connection of its own, so that no record waits for a long write.
    pub fn log(&self) -> Writer<'_> {
        Writer { db: self, pool: &self.0.log, faults: None }
    }

    /// Whether the store answers, as it changes. An embedded store always does.
    pub fn pulse(&self) -> watch::Receiver<bool> {
        self.0.pulse.follow()
    }

    /// Closes every connection; those that hang are left behind.
    pub async fn close(&self) {
        /// How long a connection may take to say goodbye.
        const GOODBYE: Duration = Duration::from_millis(500);
        let close = async {
            let mut closed =
                vec![self.0.pool.now().close().await, self.0.write.now().close().await];
            if self.0.turns.is_none() {
                closed.push(self.0.log.now().close().await);
            }
            if let Some(replica) = &self.0.replica {
                closed.push(replica.close().await);
            }
            for err in closed.into_iter().filter_map(std::result::Result::err) {
                tracing::warn!(error = %err, "a connection did not close");
            }
        };
        match self.engine() {
            // It writes its log back, however long that takes.
            "sqlite" => close.await,
            _ => drop(time::timeout(GOODBYE, close).await),
        }
    }
}

/// A connection that writes, and how it is written over.
#[derive(Clone, Copy, Debug)]
pub struct Writer<'a> {
    db: &'a Db,
    pool: &'a Arc<Pool>,
    faults: Option<&'a Faults>,
}

impl<'a> Writer<'a> {
    /// Waits for the write lock of an embedded store in a fair queue: the engine's own lock refuses a waiter after
    /// a while, and is not served in turn. A server sees to that itself.
    pub async fn turn(self) -> Option<MutexGuard<'a, ()>> {
        match &self.db.0.turns {
            Some(turns) => Some(turns.lock().await),
            None => None,
        }
    }

    /// Begins the transaction of a commit. SQLite takes the write lock at once: a lock taken later could be refused
    /// in the middle.
    pub async fn begin(self) -> Result<DatabaseTransaction> {
        if let Some(faults) = self.faults {
            faults.on_begin().await?;
        }
        let options = || TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        let db = self.pool.now();
        match self.pool.once(db.begin_with_options(options())).await {
            // The one connection had died. There is no harm in beginning twice.
            Err(err) if error::is_lost(&err) => {
                Ok(self.pool.once(db.begin_with_options(options())).await?)
            }
            begun => Ok(begun?),
        }
    }

    /// Commits. A failure leaves unknown whether it happened.
    pub async fn commit(self, tx: DatabaseTransaction) -> Result<()> {
        let fate = match self.faults {
            None => Fate::Happens,
            Some(faults) => faults.on_commit().await,
        };
        match fate {
            Fate::Happens => Ok(self.pool.once(tx.commit()).await?),
            Fate::Fails => {
                tx.rollback().await?;
                Err(faults::fault("the commit does not happen").into())
            }
            Fate::Unknown => {
                tx.commit().await?;
                Err(faults::fault("the commit happened").into())
            }
        }
    }

    /// Works in a transaction only as long as the store answers, and no longer than `most`. What fails or is given up
    /// leaves its connection behind: it may hang, or still be inside a transaction that neither the driver nor we
    /// know of, and what was committed inside that would be acknowledged and not be durable.
    pub async fn bounded<T>(
        self,
        most: Duration,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let failed = |what: String| Error::from(DbErr::Conn(RuntimeErr::Internal(what)));
        let mut beats = self.db.0.pulse.follow();
        if !*beats.borrow() {
            return Err(failed(AWAY.to_owned()));
        }
        let done = tokio::select! {
            done = time::timeout(most, work) => {
                done.unwrap_or_else(|_| Err(failed(format!("given up after {most:?}"))))
            }
            _ = beats.wait_for(|it| !it) => Err(failed(AWAY.to_owned())),
        };
        if done.is_err() {
            self.pool.renew().await?;
        }
        done
    }
}

fn is_postgres(url: &str) -> bool {
    url.starts_with("postgres")
}

fn tuned(url: &str, connections: u32, patience: Duration) -> ConnectOptions {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(connections)
        .min_connections(1)
        .acquire_timeout(patience)
        .connect_timeout(patience)
        .test_before_acquire_if_idle_for(Duration::from_secs(30))
        .sqlx_logging(false)
        .map_sqlx_sqlite_opts(move |sqlite| {
            sqlite
                .create_if_missing(true)
                .journal_mode(SqliteJournalMode::Wal)
                // Acknowledged means durable, also when the power fails.
                .synchronous(SqliteSynchronous::Full)
                .busy_timeout(patience)
                .foreign_keys(true)
                .statement_cache_capacity(256)
        });
    if is_postgres(url) {
        options.set_application_name("sharehub");
        options.map_sqlx_postgres_opts(|it| it.options(SESSION));
    }
    options
}

/// What every session with PostgreSQL keeps to. A hub that hangs, or is gone without a word, must not hold the
/// counter row for long: other hubs wait for it.
const SESSION: [(&str, &str); 9] = [
    // Acknowledged means durable, whatever the server's own setting is; a standby that is named for it included.
    ("synchronous_commit", "on"),
    ("statement_timeout", "30s"),
    ("lock_timeout", "10s"),
    ("idle_in_transaction_session_timeout", "20s"),
    // Compiling a question takes longer than any that the hub asks.
    ("jit", "off"),
    // A statement whose hub has gone is stopped.
    ("client_connection_check_interval", "2s"),
    ("tcp_keepalives_idle", "10"),
    ("tcp_keepalives_interval", "5"),
    ("tcp_user_timeout", "20s"),
];

/// The secret of the store: made with the store, the same for every hub on it.
async fn secret(db: &DatabaseConnection) -> Result<Secret> {
    let backend = db.get_database_backend();
    let ask = Statement::from_string(backend, "SELECT secret FROM store_secret WHERE id = 1");
    if let Some(row) = db.query_one_raw(ask.clone()).await? {
        return Ok(Secret::new(row.try_get("", "secret")?));
    }
    let mut bytes = vec![0; 32];
    rand::rng().fill_bytes(&mut bytes);
    // Two hubs may start at once: the first one's secret stays.
    let keep = match backend {
        DbBackend::Postgres => {
            "INSERT INTO store_secret (id, secret) VALUES (1, $1) ON CONFLICT DO NOTHING"
        }
        DbBackend::Sqlite | DbBackend::MySql | _ => {
            "INSERT INTO store_secret (id, secret) VALUES (1, ?) ON CONFLICT DO NOTHING"
        }
    };
    db.execute_raw(Statement::from_sql_and_values(backend, keep, [bytes.into()])).await?;
    let row = db.query_one_raw(ask).await?;
    let row = row.ok_or_else(|| Error::internal("the store's secret is missing"))?;
    Ok(Secret::new(row.try_get("", "secret")?))
}

/// Compares the keys of personal data with those that the store was used with. A hub with another key under the name of
/// a known one would keep what nobody can open, and find nobody.
async fn know_keys(db: &DatabaseConnection, vault: &Vault) -> Result<()> {
    let backend = db.get_database_backend();
    let (keep, ask) = match backend {
        DbBackend::Postgres => (
            "INSERT INTO data_key (name, digest) VALUES ($1, $2) ON CONFLICT DO NOTHING",
            "SELECT digest FROM data_key WHERE name = $1",
        ),
        DbBackend::Sqlite | DbBackend::MySql | _ => (
            "INSERT INTO data_key (name, digest) VALUES (?, ?) ON CONFLICT DO NOTHING",
            "SELECT digest FROM data_key WHERE name = ?",
        ),
    };
    for (name, digest) in vault.checks() {
        let values = [name.clone().into(), digest.clone().into()];
        db.execute_raw(Statement::from_sql_and_values(backend, keep, values)).await?;
        let ask = Statement::from_sql_and_values(backend, ask, [name.clone().into()]);
        let known: Option<String> = match db.query_one_raw(ask).await? {
            Some(row) => Some(row.try_get("", "digest")?),
            None => None,
        };
        if known.as_deref() != Some(&digest) {
            let what = format!("the store was used with another `{name}` in the data keys");
            return Err(Error::new(Reason::PersonalDataLocked, what));
        }
    }
    Ok(())
}
