//! PostgreSQL servers of the tests' own: started, killed, held up, copied to standbys, and gone with this process.
use std::{
    fs,
    io::Write,
    net::{SocketAddr, TcpListener},
    os::unix::{
        fs::{MetadataExt, chown},
        process::CommandExt,
    },
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::support::binaries::found;

/// A server. It is ended when it is dropped, or when this process ends, however it ends.
pub struct Server {
    pub address: SocketAddr,
    dir: tempfile::TempDir,
    settings: Vec<String>,
    owner: Option<(u32, u32)>,
    guard: Option<Child>,
}

impl Server {
    /// A new server with these settings, such as `fsync=off`.
    pub fn start(settings: &[&str]) -> Self {
        let mut server = Self::new(settings);
        let data = server.data();
        let mut init = server.command("initdb");
        init.arg("-D").arg(data).args(["-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-sync"]);
        run(init.arg("--locale=C.UTF-8"));
        server.run();
        server
    }

    /// A standby that follows this server.
    pub fn standby(&self) -> Self {
        let mut standby = Self::new(&["hot_standby=on", "max_standby_streaming_delay=1s"]);
        let primary = format!("host=127.0.0.1 port={} user=postgres", self.address.port());
        let data = standby.data();
        let mut copy = standby.command("pg_basebackup");
        copy.args(["-d", &primary, "-R", "-X", "stream", "-c", "fast", "--no-sync", "-D"])
            .arg(data);
        run(&mut copy);
        standby.run();
        standby
    }

    fn new(settings: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        // The server refuses to run as root.
        let owner = is_root().then(|| user("postgres").or_else(|| user("nobody")).unwrap());
        if let Some((uid, gid)) = owner {
            chown(dir.path(), Some(uid), Some(gid)).unwrap();
        }
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let settings = settings.iter().map(|it| (*it).to_owned()).collect();
        Self { address, dir, settings, owner, guard: None }
    }

    /// Its URL, without a database.
    pub fn url(&self) -> String {
        url(self.address)
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn command(&self, name: &str) -> Command {
        self.as_owner(Command::new(binaries().join(name)))
    }

    fn as_owner(&self, mut command: Command) -> Command {
        if let Some((uid, gid)) = self.owner {
            command.uid(uid).gid(gid);
        }
        command.current_dir(self.dir.path()).stdin(Stdio::null());
        command
    }

    /// Runs it, and waits until it takes connections.
    pub fn run(&mut self) {
        let last = Instant::now() + Duration::from_secs(60);
        loop {
            self.guard = Some(self.spawn());
            loop {
                if self.is_ready() {
                    return;
                }
                let ended = !self.is_running();
                assert!(Instant::now() < last, "PostgreSQL does not start: {}", self.log());
                #[expect(clippy::disallowed_methods, reason = "no runtime is needed to wait")]
                std::thread::sleep(Duration::from_millis(20));
                if ended && !self.is_running() {
                    // What was killed may not all be gone yet, and keep its memory.
                    break;
                }
            }
            self.reap();
        }
    }

    fn spawn(&self) -> Child {
        let mut guard = self.as_owner(Command::new("sh"));
        // When this process ends, its end of the pipe closes, and the guard stops the server.
        guard.arg("-c").arg(
            r#"server=$1; data=$2; port=$3; shift 3
               "$server" -D "$data" -p "$port" -k "$data" -c listen_addresses=127.0.0.1 "$@" >>"$data/log" 2>&1 &
               server=$!; read -r word; kill -INT "$server"; wait "$server"
               [ "$word" = keep ] || rm -rf "$data""#,
        );
        guard.args(["sh"]).arg(binaries().join("postgres")).arg(self.data());
        guard.arg(self.address.port().to_string());
        guard.args(self.settings.iter().flat_map(|it| ["-c", it]));
        guard.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// Whether it takes connections: not while it still recovers.
    fn is_ready(&self) -> bool {
        let mut ask = self.command("pg_isready");
        ask.args(["-q", "-h", "127.0.0.1", "-p", &self.address.port().to_string()]);
        ask.status().unwrap().success()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.data().join("log")).unwrap_or_default()
    }

    /// The pid of the server's first process.
    fn pid(&self) -> Option<u32> {
        let text = fs::read_to_string(self.data().join("postmaster.pid")).ok()?;
        text.lines().next()?.parse().ok()
    }

    fn is_running(&self) -> bool {
        let Some(guard) = &self.guard else { return false };
        !children(guard.id()).is_empty()
    }

    /// Ends the guard. The server's pid is the guard's to reap, and nobody else's meanwhile.
    fn reap(&mut self) {
        if let Some(mut guard) = self.guard.take() {
            // What it holds is wanted again, or goes with its directory.
            drop(guard.stdin.take().unwrap().write_all(b"keep\n"));
            guard.wait().unwrap();
        }
    }

    /// Ends it at once, as `pg_ctl stop -m immediate` does.
    pub fn kill(&mut self) {
        signal("QUIT", &[self.pid().unwrap()]);
        self.reap();
    }

    /// Kills all of it, with no chance to do anything.
    pub fn kill_hard(&mut self) {
        let first = self.pid().unwrap();
        let all = [vec![first], children(first)].concat();
        signal("KILL", &all);
        self.reap();
    }

    /// Holds all of it up: connections stay, and nothing answers.
    pub fn pause(&self) {
        let first = self.pid().unwrap();
        signal("STOP", &[first]);
        signal("STOP", &children(first));
    }

    /// Lets it go on.
    pub fn resume(&self) {
        let first = self.pid().unwrap();
        signal("CONT", &children(first));
        signal("CONT", &[first]);
    }

    /// Makes a standby a primary.
    pub fn promote(&self) {
        let mut promote = self.command("pg_ctl");
        run(promote.arg("promote").arg("-D").arg(self.data()).args(["-w", "-t", "60"]));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.is_running() {
            self.resume();
        }
        self.reap();
    }
}

/// The URL of a server at an address, without a database.
pub fn url(address: SocketAddr) -> String {
    format!("postgres://postgres@{address}")
}

fn run(command: &mut Command) {
    let ran = command.output().unwrap();
    assert!(ran.status.success(), "{command:?}: {}", String::from_utf8_lossy(&ran.stderr));
}

/// Sends a signal to processes, of which some may have ended.
fn signal(name: &str, pids: &[u32]) {
    let mut kill = Command::new("kill");
    kill.arg(format!("-{name}")).args(pids.iter().map(u32::to_string)).stderr(Stdio::null());
    kill.status().unwrap();
}

/// The children of a process that have not ended.
fn children(pid: u32) -> Vec<u32> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        // After the name, which may hold anything: the state, and the parent.
        let Some((_, rest)) = stat.rsplit_once(") ") else { continue };
        let mut rest = rest.split(' ');
        let (state, parent) = (rest.next(), rest.next());
        if state != Some("Z") && parent == Some(&pid.to_string()) {
            found.extend(entry.file_name().to_str().and_then(|it| it.parse::<u32>().ok()));
        }
    }
    found
}

/// Where `initdb` and `postgres` are.
fn binaries() -> PathBuf {
    found().expect("initdb and postgres")
}

/// Whether a server can be started here. Where only the URL of one is given, it cannot.
pub fn can_start() -> bool {
    found().is_some()
}

pub fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

fn user(name: &str) -> Option<(u32, u32)> {
    let users = fs::read_to_string("/etc/passwd").ok()?;
    let line = users.lines().find(|it| it.split(':').next() == Some(name))?;
    let mut parts = line.split(':').skip(2);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}
