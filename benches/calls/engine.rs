//! The stores that are measured: a SQLite file and a throw-away PostgreSQL, both as durable as in use.
use std::{
    fs,
    net::TcpListener,
    os::unix::{
        fs::{MetadataExt, chown},
        process::CommandExt,
    },
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use sea_orm::{ConnectionTrait, Database};

/// An engine on which stores can be made.
pub enum Engine {
    Sqlite(tempfile::TempDir),
    Postgres(Server),
}

impl Engine {
    pub fn sqlite() -> Self {
        Self::Sqlite(tempfile::tempdir().unwrap())
    }

    /// None where its binaries are not on the machine.
    pub async fn postgres() -> Option<Self> {
        Some(Self::Postgres(Server::start(&binaries()?).await))
    }

    pub fn name(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "SQLite",
            Self::Postgres(_) => "PostgreSQL",
        }
    }

    /// The URL of a new, empty store.
    pub async fn store(&self, name: &str) -> String {
        match self {
            Self::Sqlite(dir) => {
                format!("sqlite://{}", dir.path().join(format!("{name}.db")).display())
            }
            Self::Postgres(server) => {
                let db = Database::connect(format!("{}/postgres", server.url)).await.unwrap();
                db.execute_unprepared(&format!("CREATE DATABASE {name}")).await.unwrap();
                db.close().await.unwrap();
                format!("{}/{name}", server.url)
            }
        }
    }
}

/// A PostgreSQL with its default durability, which ends when this process does.
pub struct Server {
    url: String,
    guard: Child,
    _dir: tempfile::TempDir,
}

impl Server {
    async fn start(bin: &std::path::Path) -> Self {
        let dir = tempfile::tempdir().unwrap();
        // The server refuses to run as root.
        let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
        let owner = is_root.then(|| user("postgres").or_else(|| user("nobody")).unwrap());
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
        init.arg("-D").arg(&data).args(["-A", "trust", "-U", "postgres", "-E", "UTF8"]);
        let made = init.args(["--no-sync", "--locale=C.UTF-8"]).output().unwrap();
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut guard = as_owner(Command::new("sh"));
        // When this process ends, its end of the pipe closes, and the guard stops the server.
        guard.arg("-c").arg(
            r#""$0" -D "$1" -p "$2" -k "$1" -c listen_addresses=127.0.0.1 -c max_connections=200 \
               -c max_wal_size=4GB >"$1/log" 2>&1 & server=$!
               read -r _; kill -INT "$server"; wait "$server""#,
        );
        guard.arg(bin.join("postgres")).arg(&data).arg(port.to_string());
        guard.stdin(Stdio::piped());
        let url = format!("postgres://postgres@127.0.0.1:{port}");
        let server = Self { url, guard: guard.spawn().unwrap(), _dir: dir };
        for _ in 0..300 {
            if let Ok(db) = Database::connect(format!("{}/postgres", server.url)).await {
                db.close().await.unwrap();
                return server;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("PostgreSQL did not start");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        drop(self.guard.wait());
    }
}

/// Where `initdb` and `postgres` are.
fn binaries() -> Option<PathBuf> {
    let debian = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut places: Vec<_> = debian.map(|it| it.path().join("bin")).collect();
    places.sort();
    places.reverse();
    let path = std::env::vars_os().find(|(key, _)| key == "PATH").map(|(_, it)| it);
    places.extend(std::env::split_paths(&path.unwrap_or_default()));
    let is_here = |it: &PathBuf| it.join("initdb").is_file() && it.join("postgres").is_file();
    places.into_iter().find(is_here)
}

fn user(name: &str) -> Option<(u32, u32)> {
    let users = fs::read_to_string("/etc/passwd").ok()?;
    let line = users.lines().find(|it| it.split(':').next() == Some(name))?;
    let mut parts = line.split(':').skip(2);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}
