//! The engine under the hubs of this run: SQLite, or PostgreSQL where `SHAREHUB_TEST_ENGINE=postgres`.
//!
//! PostgreSQL is the server at `SHAREHUB_TEST_POSTGRES`, or else a throw-away one that this process starts.
use std::{
    fs,
    path::Path,
    sync::{
        LazyLock, Mutex, OnceLock,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
};

use sea_orm::{ConnectionTrait, Database, DbBackend, Statement};
use sharehub::{
    caller::SystemCode,
    db::{Clock, Db, Options},
};
use tokio::sync::{Mutex as AsyncMutex, OnceCell};

use crate::support::{
    canary::must_hold_nobody,
    hub::{audit_key, slow},
    postgres::Server,
};

/// Whether this run is on PostgreSQL.
pub fn is_postgres() -> bool {
    static IS_POSTGRES: LazyLock<bool> =
        LazyLock::new(|| match scale("SHAREHUB_TEST_ENGINE", "sqlite".to_owned()).as_str() {
            "sqlite" => false,
            "postgres" => true,
            other => {
                panic!("SHAREHUB_TEST_ENGINE is `{other}`, and must be `sqlite` or `postgres`")
            }
        });
    *IS_POSTGRES
}

/// A number that an environment variable scales a test up to.
pub fn scale<T: std::str::FromStr>(variable: &str, usual: T) -> T {
    let given = std::env::vars().find(|(key, _)| key == variable);
    given.map_or(usual, |(_, it)| it.parse().ok().expect(variable))
}

/// A store of its own for one test, with the reference data and an administrator in it.
pub struct Store {
    pub url: String,
    _dir: tempfile::TempDir,
}

impl Drop for Store {
    /// Nothing of a person is in its files. (Those of PostgreSQL are its server's; see `personal.rs` for what is in
    /// them.)
    fn drop(&mut self) {
        let Some(path) = self.url.strip_prefix("sqlite://") else { return };
        if std::thread::panicking() {
            return;
        }
        for file in [path.to_owned(), format!("{path}-wal")] {
            must_hold_nobody(&file, &fs::read(&file).unwrap_or_default());
        }
    }
}

impl Store {
    /// A copy of the template.
    pub async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let url = match is_postgres() {
            true => copy_database().await,
            false => copy_file(dir.path()).await,
        };
        Self { url, _dir: dir }
    }

    /// A store without any units in it.
    pub async fn blank() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let url = match is_postgres() {
            true => empty_database().await,
            false => format!("sqlite://{}", dir.path().join("hub.db").display()),
        };
        begin(Options::new(&url), false).await;
        Self { url, _dir: dir }
    }

    /// A copy of the template on SQLite, whatever this run is on.
    pub async fn on_sqlite() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { url: copy_file(dir.path()).await, _dir: dir }
    }

    /// A store that was kept in a folder: the file `sqlite.db`, or what the script `postgres.sql` makes.
    pub async fn kept(folder: &Path) -> Self {
        let dir = tempfile::tempdir().unwrap();
        if !is_postgres() {
            let path = dir.path().join("hub.db");
            fs::copy(folder.join("sqlite.db"), &path).unwrap();
            return Self { url: format!("sqlite://{}", path.display()), _dir: dir };
        }
        let name = format!("kept_{}_{:08x}", std::process::id(), rand::random::<u32>());
        sql(server(), &format!("CREATE DATABASE {name}")).await;
        let url = format!("{}/{name}", server());
        let db = Database::connect(&url).await.unwrap();
        let script = fs::read_to_string(folder.join("postgres.sql")).unwrap();
        db.execute_unprepared(&script).await.unwrap();
        db.close().await.unwrap();
        Self { url, _dir: dir }
    }

    /// The same on a server of the test's own.
    pub async fn on(server: &str) -> Self {
        sql(server, "CREATE DATABASE hub").await;
        let url = format!("{server}/hub");
        fill(&url).await;
        Self { url, _dir: tempfile::tempdir().unwrap() }
    }
}

impl Store {
    /// All of it as it is now, as a backup has it. On PostgreSQL whoever is connected is cut for a moment.
    pub async fn copied(&self) -> Self {
        let dir = tempfile::tempdir().unwrap();
        if !is_postgres() {
            let db = Database::connect(&self.url).await.unwrap();
            let path = dir.path().join("hub.db");
            db.execute_unprepared(&format!("VACUUM INTO '{}'", path.display())).await.unwrap();
            db.close().await.unwrap();
            return Self { url: format!("sqlite://{}", path.display()), _dir: dir };
        }
        let (_, name) = self.url.rsplit_once('/').unwrap();
        let (server, copy) = (server(), format!("copy_{:016x}", rand::random::<u64>()));
        let allow = async |is_allowed: bool| {
            let allow = format!("ALTER DATABASE {name} ALLOW_CONNECTIONS {is_allowed}");
            sql(server, &allow).await;
        };
        allow(false).await;
        let leave = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname =";
        sql(server, &format!("{leave} '{name}'")).await;
        sql(server, &format!("CREATE DATABASE {copy} TEMPLATE {name}")).await;
        allow(true).await;
        Self { url: format!("{server}/{copy}"), _dir: dir }
    }

    /// A store on each engine, alike to the last byte: filled by one clock, and with one secret.
    pub async fn twins(clock: &Clock) -> [Self; 2] {
        let dir = tempfile::tempdir().unwrap();
        let sqlite = format!("sqlite://{}", dir.path().join("hub.db").display());
        let name = format!("twin_{}_{:08x}", std::process::id(), rand::random::<u32>());
        sql(server(), &format!("CREATE DATABASE {name}")).await;
        let postgres = format!("{}/{name}", server());
        for url in [&sqlite, &postgres] {
            // What is sealed by one is sealed by the other.
            let db = Db::open(url).await.unwrap();
            db.close().await;
            let db = Database::connect(url).await.unwrap();
            let same = match db.get_database_backend() {
                DbBackend::Postgres => {
                    "UPDATE store_secret SET secret = decode(repeat('ab', 32), 'hex')"
                }
                _ => {
                    "UPDATE store_secret SET secret = unhex(replace(hex(zeroblob(32)), '00', 'ab'))"
                }
            };
            db.execute_unprepared(same).await.unwrap();
            db.close().await.unwrap();
            fill_with(Options { clock: clock.clone(), ..Options::new(url) }).await;
        }
        [(sqlite, dir), (postgres, tempfile::tempdir().unwrap())]
            .map(|(url, dir)| Self { url, _dir: dir })
    }
}

/// Says once what this run is on. Not by `println!`: a person must see it, and the harness keeps that.
async fn say_engine(url: &str) {
    use std::io::Write;
    static SAID: AtomicBool = AtomicBool::new(false);
    if SAID.swap(true, Ordering::Relaxed) {
        return;
    }
    let db = Database::connect(url).await.unwrap();
    let (backend, ask) = match db.get_database_backend() {
        DbBackend::Postgres => {
            (DbBackend::Postgres, "SELECT 'PostgreSQL ' || current_setting('server_version')")
        }
        _ => (DbBackend::Sqlite, "SELECT 'SQLite ' || sqlite_version()"),
    };
    let row = db.query_one_raw(Statement::from_string(backend, ask)).await.unwrap().unwrap();
    let version: String = row.try_get_by_index(0).unwrap();
    db.close().await.unwrap();
    let line = format!("\nThis run of the suite is on {version}; its count is below.\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

/// Fills a new store with what every test starts from.
async fn fill(url: &str) {
    fill_with(Options::new(url)).await;
    say_engine(url).await;
}

async fn fill_with(options: Options) {
    begin(options, true).await;
}

async fn begin(options: Options, with_units: bool) {
    let db = Db::open_with(options).await.unwrap();
    let (slices, committer) =
        sharehub::server::start(db.clone(), slow(), audit_key()).await.unwrap();
    if with_units {
        sharehub::unit::store::reference::load_reference(&slices.hub).await.unwrap();
    }
    let admin = SystemCode::parse("admin").unwrap();
    sharehub::access::store::ensure_administrator(&slices.hub, &admin).await.unwrap();
    drop(slices);
    committer.await.unwrap();
    db.close().await;
}

// === SQLite ===

async fn copy_file(to: &Path) -> String {
    static TEMPLATE: OnceCell<tempfile::TempDir> = OnceCell::const_new();
    let url = |dir: &Path| format!("sqlite://{}", dir.join("hub.db").display());
    let template = TEMPLATE.get_or_init(|| async {
        let dir = tempfile::tempdir().unwrap();
        fill(&url(dir.path())).await;
        dir
    });
    for file in fs::read_dir(template.await.path()).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
    url(to)
}

// === PostgreSQL ===

async fn copy_database() -> String {
    static TEMPLATE: OnceCell<String> = OnceCell::const_new();
    static ONE_AT_A_TIME: AsyncMutex<()> = AsyncMutex::const_new(());
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let server = server();
    let run = std::process::id();
    let template = TEMPLATE.get_or_init(|| async move {
        let name = format!("template_{run}");
        sql(server, &format!("CREATE DATABASE {name}")).await;
        fill(&format!("{server}/{name}")).await;
        // A database can be copied only when nobody is in it any more, and a connection ends a little after it is
        // closed.
        let leave = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname =";
        sql(server, &format!("{leave} '{name}'")).await;
        name
    });
    let template = template.await;
    let name = format!("hub_{run}_{}", COUNT.fetch_add(1, Ordering::Relaxed));
    // A template can be copied by one at a time.
    let _turn = ONE_AT_A_TIME.lock().await;
    sql(server, &format!("CREATE DATABASE {name} TEMPLATE {template}")).await;
    format!("{server}/{name}")
}

/// A database on this run's server, with nothing in it.
pub async fn empty_database() -> String {
    let name = format!("empty_{:016x}", rand::random::<u64>());
    sql(server(), &format!("CREATE DATABASE {name}")).await;
    format!("{}/{name}", server())
}

/// Runs a statement in a server's own database.
pub async fn sql(server: &str, statement: &str) {
    let db = Database::connect(format!("{server}/postgres")).await.unwrap();
    db.execute_unprepared(statement).await.unwrap();
    db.close().await.unwrap();
}

/// The server's URL, without a database.
fn server() -> &'static str {
    static SERVER: OnceLock<String> = OnceLock::new();
    SERVER.get_or_init(|| match std::env::vars().find(|(key, _)| key == "SHAREHUB_TEST_POSTGRES") {
        Some((_, url)) => url.trim_end_matches('/').to_owned(),
        None => start_server(),
    })
}

/// Starts a server that ends when this process does.
fn start_server() -> String {
    // Kept for the life of the process. What is lost when the machine fails does not matter here.
    static SHARED: Mutex<Option<Server>> = Mutex::new(None);
    let server = Server::start(&["fsync=off", "max_connections=600", "shared_buffers=64MB"]);
    let url = server.url();
    *SHARED.lock().unwrap() = Some(server);
    url
}
