//! The engine under the hubs of this run: SQLite in the target `it`, PostgreSQL in the target `postgres`.
//!
//! PostgreSQL is the server at `SHAREHUB_TEST_POSTGRES`, or else a throw-away one that this process starts.
use std::{
    fs,
    io::Read,
    net::TcpListener,
    os::unix::{fs::chown, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use sea_orm::{ConnectionTrait, Database};
use sharehub::{access::SystemCode, db::Db, hub::Hub};
use tokio::sync::{Mutex as AsyncMutex, OnceCell};

use crate::hub::slow;

/// Whether this run is on PostgreSQL.
pub fn is_postgres() -> bool {
    env!("CARGO_CRATE_NAME") == "postgres"
}

/// A store of its own for one test, with the reference data and an administrator in it.
pub struct Store {
    pub url: String,
    _dir: tempfile::TempDir,
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
}

/// Fills a new store with what every test starts from.
async fn fill(url: &str) {
    let db = Db::open(url).await.unwrap();
    let (hub, committer) = Hub::start(db.clone(), slow()).await.unwrap();
    sharehub::unit::store::load_reference(&hub).await.unwrap();
    let admin = SystemCode::parse("admin").unwrap();
    sharehub::access::store::ensure_administrator(&hub, &admin).await.unwrap();
    drop(hub);
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
        name
    });
    let template = template.await;
    let name = format!("hub_{run}_{}", COUNT.fetch_add(1, Ordering::Relaxed));
    // A template can be copied by one at a time.
    let _turn = ONE_AT_A_TIME.lock().await;
    sql(server, &format!("CREATE DATABASE {name} TEMPLATE {template}")).await;
    format!("{server}/{name}")
}

async fn sql(server: &str, statement: &str) {
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
    // Kept for the life of the process: its standard input is what the server's guard waits on.
    static GUARD: Mutex<Option<(Child, tempfile::TempDir)>> = Mutex::new(None);
    let bin = binaries();
    let dir = tempfile::tempdir().unwrap();
    // The server refuses to run as root.
    let owner = is_root().then(|| user("postgres").or_else(|| user("nobody")).unwrap());
    if let Some((uid, gid)) = owner {
        chown(dir.path(), Some(uid), Some(gid)).unwrap();
    }
    let as_owner = |mut command: Command| {
        if let Some((uid, gid)) = owner {
            command.uid(uid).gid(gid);
        }
        command.current_dir(dir.path());
        command
    };
    let data = dir.path().join("data");
    let mut init = as_owner(Command::new(bin.join("initdb")));
    init.arg("-D").arg(&data).args(["-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-sync"]);
    let made = init.arg("--locale=C.UTF-8").output().unwrap();
    assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut guard = as_owner(Command::new("sh"));
    // When this process ends, however it ends, its end of the pipe closes, and the guard stops the server.
    guard.arg("-c").arg(
        r#""$0" -D "$1" -p "$2" -k "$1" -c listen_addresses=127.0.0.1 -c fsync=off \
           -c max_connections=400 -c shared_buffers=64MB >"$1/log" 2>&1 & server=$!
           read -r _; kill -INT "$server"; wait "$server""#,
    );
    guard.arg(bin.join("postgres")).arg(&data).arg(port.to_string());
    let guard = guard.stdin(Stdio::piped()).spawn().unwrap();
    *GUARD.lock().unwrap() = Some((guard, dir));
    for _ in 0..300 {
        if let Ok(mut stream) = std::net::TcpStream::connect(("127.0.0.1", port)) {
            // An SSLRequest: a server that is ready answers with one byte.
            let asked = std::io::Write::write_all(&mut stream, &[0, 0, 0, 8, 4, 210, 22, 47]);
            if asked.is_ok() && stream.read(&mut [0]).is_ok_and(|it| it == 1) {
                return format!("postgres://postgres@127.0.0.1:{port}");
            }
        }
        #[expect(clippy::disallowed_methods, reason = "no runtime is needed to wait for a server")]
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("PostgreSQL did not start");
}

/// Where `initdb` and `postgres` are.
fn binaries() -> PathBuf {
    let debian = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut places: Vec<_> = debian.map(|it| it.path().join("bin")).collect();
    places.sort();
    places.reverse();
    let path = std::env::vars_os().find(|(key, _)| key == "PATH").map(|(_, it)| it);
    places.extend(std::env::split_paths(&path.unwrap_or_default()));
    let is_here = |it: &PathBuf| it.join("initdb").is_file() && it.join("postgres").is_file();
    places.into_iter().find(is_here).expect("initdb and postgres")
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").unwrap().uid() == 0
}

fn user(name: &str) -> Option<(u32, u32)> {
    let users = fs::read_to_string("/etc/passwd").ok()?;
    let line = users.lines().find(|it| it.split(':').next() == Some(name))?;
    let mut parts = line.split(':').skip(2);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}
