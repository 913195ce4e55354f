//! Opens and tunes each engine: one connection that writes, several that read.
pub mod migration;
mod reader;
mod replica;

pub use reader::Reader;

use std::{sync::Arc, time::Duration};

use rand::RngCore;
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DatabaseTransaction, DbBackend,
    SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait,
    sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous},
};
use sea_orm_migration::MigratorTrait;

use crate::{
    error::{Error, Result},
    page::Secret,
    revision::View,
};

use replica::{Place, Replica};

/// Connections that read.
const READERS: u32 = 4;
/// How long a call waits for a connection, or for a lock.
const PATIENCE: Duration = Duration::from_secs(5);
/// Values bound to one statement, at most; SQLite allows 32,766.
pub const MOST_BINDS: usize = 30_000;

/// A store.
#[derive(Clone, Debug)]
pub struct Db(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    read: Reader,
    pool: DatabaseConnection,
    write: DatabaseConnection,
    replica: Option<Arc<Replica>>,
    secret: Secret,
}

impl Db {
    /// Opens a store by its URL (`sqlite://path` or `postgres://...`), and brings its schema up to date.
    pub async fn open(url: &str) -> Result<Self> {
        Self::open_with(url, None).await
    }

    /// The same, with a standby that answers what it can.
    pub async fn open_with(url: &str, replica_url: Option<&str>) -> Result<Self> {
        let write = Database::connect(options(url, 1)).await?;
        migration::Migrator::up(&write, None).await?;
        let pool = Database::connect(options(url, READERS)).await?;
        let secret = secret(&write).await?;
        let replica = match replica_url {
            None => None,
            Some(url) => Some(Replica::follow(url, secret.clone()).await?),
        };
        let read = Reader::new(pool.clone());
        Ok(Self(Arc::new(Inner { read, pool, write, replica, secret })))
    }

    /// For questions about what is newest, such as the head itself. It sees what was committed when each statement began.
    pub fn read(&self) -> &Reader {
        &self.0.read
    }

    /// For questions about what stood at a view: the replica, when it has come as far, or else the primary.
    pub fn at(&self, view: &View) -> Reader {
        let place = Place { epoch: view.epoch(), revision: view.number() };
        match &self.0.replica {
            Some(replica) if replica.has(place) => self.0.read.at(replica, place),
            Some(_) | None => self.0.read.clone(),
        }
    }

    /// For the committer only.
    pub fn write(&self) -> &DatabaseConnection {
        &self.0.write
    }

    /// The key that seals page tokens.
    pub fn secret(&self) -> &Secret {
        &self.0.secret
    }

    /// The engine's name.
    pub fn engine(&self) -> &'static str {
        match self.0.read.get_database_backend() {
            DbBackend::Sqlite => "sqlite",
            DbBackend::Postgres => "postgres",
            DbBackend::MySql | _ => "unknown",
        }
    }

    /// Begins the transaction of a commit. SQLite takes the write lock at once: a lock taken later could be refused
    /// in the middle.
    pub async fn begin(&self) -> Result<DatabaseTransaction> {
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        Ok(self.0.write.begin_with_options(options).await?)
    }

    /// Whether the store answers.
    pub async fn ping(&self) -> Result<()> {
        Ok(self.0.pool.ping().await?)
    }

    /// Closes every connection.
    pub async fn close(&self) {
        let mut closed =
            vec![self.0.pool.clone().close().await, self.0.write.clone().close().await];
        if let Some(replica) = &self.0.replica {
            closed.push(replica.close().await);
        }
        for err in closed.into_iter().filter_map(std::result::Result::err) {
            tracing::warn!(error = %err, "a connection did not close");
        }
    }
}

fn options(url: &str, connections: u32) -> ConnectOptions {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(connections)
        .min_connections(1)
        .acquire_timeout(PATIENCE)
        .connect_timeout(PATIENCE)
        .test_before_acquire_if_idle_for(Duration::from_secs(30))
        .sqlx_logging(false)
        .map_sqlx_sqlite_opts(|sqlite| {
            sqlite
                .create_if_missing(true)
                .journal_mode(SqliteJournalMode::Wal)
                // Acknowledged means durable, also when the power fails.
                .synchronous(SqliteSynchronous::Full)
                .busy_timeout(PATIENCE)
                .foreign_keys(true)
                .statement_cache_capacity(256)
        });
    if url.starts_with("postgres") {
        options.statement_timeout(Duration::from_secs(30)).set_application_name("sharehub");
    }
    options
}

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

/// Declares an enum whose numbers are those of the proto, on the wire and in the store.
macro_rules! words {
    ($(#[$meta:meta])* pub enum $name:ident { $($(#[$doc:meta])* $word:ident = $number:literal,)+ }) => {
        $(#[$meta])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash,
            sea_orm::EnumIter, sea_orm::DeriveActiveEnum,
        )]
        #[sea_orm(rs_type = "i32", db_type = "Integer")]
        pub enum $name {
            $($(#[$doc])* #[sea_orm(num_value = $number)] $word,)+
        }

        impl $name {
            /// The word with this number.
            pub fn of(number: i32) -> Option<Self> {
                match number {
                    $($number => Some(Self::$word),)+
                    _ => None,
                }
            }

            /// Its number.
            pub fn number(self) -> i32 {
                match self {
                    $(Self::$word => $number,)+
                }
            }
        }
    };
}
pub(crate) use words;
