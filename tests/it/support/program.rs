//! The program as its operator runs it: a command to its end, or a running `sharehub serve`.
use std::{
    fs::{self, File},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use tokio::{task, time};
use tonic::transport::{Channel, Endpoint};

use crate::support::{
    canary::must_hold_nobody,
    client::{Client, Key},
    hub::{AUDIT_SEED, data_keys},
};

/// The program, with nothing of our own environment.
pub fn command(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sharehub"));
    command.env_clear().current_dir(dir).stdin(Stdio::null());
    if dir.join("url").exists() {
        // The store was begun by a hub of this process.
        command.env("SHAREHUB_AUDIT_KEY", audit_key_file(dir));
        command.env("SHAREHUB_DATA_KEYS", data_keys());
    }
    command
}

/// The key of the tests' audit logs as a file: PKCS #8 in PEM.
pub fn audit_key_file(dir: &Path) -> PathBuf {
    let path = dir.join("tests.audit-key");
    let head = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";
    let key = STANDARD.encode([head.as_slice(), &AUDIT_SEED].concat());
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{key}\n-----END PRIVATE KEY-----\n");
    fs::write(&path, pem).unwrap();
    path
}

/// What a command did.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

/// Runs a command to its end; beside a hub in this process, so off the runtime's threads.
pub async fn run(mut command: Command) -> Ran {
    let ran = task::spawn_blocking(move || command.output().unwrap());
    let ran = time::timeout(Duration::from_secs(60), ran).await.expect("it does not end").unwrap();
    let text = |it: Vec<u8>| String::from_utf8(it).unwrap();
    Ran { code: ran.status.code(), out: text(ran.stdout), err: text(ran.stderr) }
}

/// Runs `sharehub` with these arguments.
pub async fn sharehub(dir: &Path, arguments: &[&str]) -> Ran {
    let mut command = command(dir);
    command.args(arguments);
    run(command).await
}

/// The store of a directory: the one that its file `url` names, or else a new one beside it.
pub fn url(dir: &Path) -> String {
    let own = || format!("sqlite://{}", dir.join("hub.db").display());
    fs::read_to_string(dir.join("url")).unwrap_or_else(|_| own())
}

/// Issues a key for the administrator of a directory's store.
pub async fn admin_key(dir: &Path) -> String {
    if !dir.join("url").exists() && !dir.join("hub.db").exists() {
        // Only a hub that serves makes a store.
        let mut program = Program::serve(dir, &[]).await;
        program.terminate();
        assert!(program.ended(Duration::from_secs(60)).await.success());
    }
    let url = url(dir);
    let arguments =
        ["key", "issue", "--system", "admin", "--administrator", "--database-url", &url];
    let ran = sharehub(dir, &arguments).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    ran.out.trim().to_owned()
}

/// A running `sharehub serve`. It is killed when it is dropped.
pub struct Program {
    pub address: SocketAddr,
    /// Where it tells operators its health.
    pub admin: SocketAddr,
    pub log: PathBuf,
    child: Child,
}

impl Program {
    /// Serves the store of a directory on a free port.
    pub async fn serve(dir: &Path, more: &[&str]) -> Self {
        Self::run(command(dir), dir, more).await
    }

    /// The same, run by this command, which is followed by its arguments.
    pub async fn run(mut command: Command, dir: &Path, more: &[&str]) -> Self {
        let log = dir.join(format!("log-{:08x}", rand::random::<u32>()));
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--log-format", "json"])
            .args(["--admin-listen", "127.0.0.1:0"])
            .args(["--database-url", &url(dir)])
            .args(more)
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap());
        let mut child = command.spawn().unwrap();
        let last = Instant::now() + Duration::from_secs(60);
        let (address, admin) = loop {
            let text = fs::read_to_string(&log).unwrap();
            if let Some(addresses) = text.lines().find_map(serving) {
                break addresses;
            }
            let ended = child.try_wait().unwrap();
            assert!(ended.is_none(), "it ended with {ended:?}: {text}");
            assert!(Instant::now() < last, "it does not serve: {text}");
            time::sleep(Duration::from_millis(5)).await;
        };
        Self { address, admin, log, child }
    }

    pub fn channel(&self) -> Channel {
        Endpoint::from_shared(self.target()).unwrap().connect_lazy()
    }

    pub fn target(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Whoever holds this key.
    pub fn as_(&self, key: &str) -> Client {
        Client { channel: self.channel(), key: Key(Some(key.to_owned())) }
    }

    /// The id of its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Kills it at once: SIGKILL, to this one process.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Stops it, as its operator would.
    pub async fn stop(&mut self) {
        self.terminate();
        let status = self.ended(Duration::from_secs(12)).await;
        assert_eq!(status.code(), Some(0), "{status:?}");
    }

    /// Asks it to stop.
    pub fn terminate(&self) {
        self.signal("TERM");
    }

    /// Sends it a signal.
    pub fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    /// Waits for its end.
    pub async fn ended(&mut self, within: Duration) -> ExitStatus {
        let last = Instant::now() + within;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < last, "it has not ended within {within:?}");
            time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            must_hold_nobody("a log", &fs::read(&self.log).unwrap_or_default());
        }
        // It may have ended long ago.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The addresses in the log line that says it serves.
fn serving(line: &str) -> Option<(SocketAddr, SocketAddr)> {
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    let fields = &line["fields"];
    let address = |it: &str| fields[it].as_str().unwrap().parse().unwrap();
    (fields["message"] == "serving").then(|| (address("address"), address("admin")))
}

/// A line of a process's status, in MiB.
pub fn memory(pid: u32, line: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|it| it.strip_prefix(line)).unwrap();
    let kib: u64 = line.trim_matches(|it: char| !it.is_ascii_digit()).parse().unwrap();
    kib / 1024
}
