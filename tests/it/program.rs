//! The program itself: its exit codes, what it prints, and how it stops.
use std::{
    collections::BTreeSet,
    fs::{self, File},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use sharehub::{access, pb};
use tokio::{net::TcpListener, task, time};
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use crate::{
    canary::must_hold_nobody,
    hub::{AUDIT_SEED, Client, Grants, Hub, Key, data_keys, gso, id},
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
            .args(["--database-url", &url(dir)])
            .args(more)
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap());
        let mut child = command.spawn().unwrap();
        let last = Instant::now() + Duration::from_secs(60);
        let address = loop {
            let text = fs::read_to_string(&log).unwrap();
            if let Some(address) = text.lines().find_map(serving) {
                break address;
            }
            let ended = child.try_wait().unwrap();
            assert!(ended.is_none(), "it ended with {ended:?}: {text}");
            assert!(Instant::now() < last, "it does not serve: {text}");
            time::sleep(Duration::from_millis(5)).await;
        };
        Self { address, log, child }
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

/// The address in the log line that says it serves.
fn serving(line: &str) -> Option<SocketAddr> {
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    let fields = &line["fields"];
    (fields["message"] == "serving").then(|| fields["address"].as_str().unwrap().parse().unwrap())
}

// === configuration ===

/// Every setting with a value that it cannot have.
const BAD: &[(&str, &str)] = &[
    ("config", "no/such/file.toml"),
    ("listen", "here"),
    ("database_url", "mysql://user:password@host/x"),
    ("replica_url", "postgres://user:password@host/x"),
    ("log", "sharehub=loud"),
    ("log_format", "xml"),
    ("otlp_endpoint", "not a url"),
    ("call_ms", "0"),
    ("in_flight", "many"),
    ("message_bytes", "-1"),
    ("watches", "0"),
    ("watches_per_system", "some"),
    ("snapshot_mib", "-1"),
    ("data_keys", "current = 'x'"),
    ("tls_cert", "no/such.pem"),
    ("tls_key", "no/such.pem"),
    ("tls_client_ca", "no/such.pem"),
    ("tls_client_crl", "no/such.pem"),
    ("insecure_plaintext", "maybe"),
    ("token_issuer", "https://issuer.example"),
    ("token_audience", "sharehub"),
    ("token_algorithm", "none"),
    ("token_keys", "no/such.json"),
    ("connections", "0"),
    ("connections_per_system", "0"),
    ("connection_age_s", "0"),
    ("connection_idle_s", "never"),
    ("audit_key", "no/such/folder/audit.key"),
    ("audit_grace_s", "-1"),
];

fn check_bad(key: &str, how: &str, ran: &Ran) {
    assert_eq!(ran.code, Some(64), "{key} by {how}: {ran:?}");
    assert!(ran.err.contains(&format!("bad config: `{key}` must ")), "{key} by {how}: {}", ran.err);
    assert_eq!(ran.err.lines().count(), 1, "{}", ran.err);
    assert!(ran.out.is_empty(), "{}", ran.out);
    assert!(!ran.err.contains("password"), "a secret is repeated: {}", ran.err);
}

#[tokio::test]
async fn a_bad_setting_is_named_however_it_is_given() {
    let dir = tempfile::tempdir().unwrap();
    for &(key, value) in BAD {
        let flag = format!("--{}={value}", key.replace('_', "-"));
        check_bad(key, "flag", &sharehub(dir.path(), &["serve", &flag]).await);
        let mut by_env = command(dir.path());
        by_env.arg("serve").env(format!("SHAREHUB_{}", key.to_uppercase()), value);
        check_bad(key, "environment", &run(by_env).await);
        if key != "config" {
            let file = dir.path().join("hub.toml");
            fs::write(&file, format!("{key} = \"{value}\"\n")).unwrap();
            check_bad(key, "file", &sharehub(dir.path(), &["serve", "--config", "hub.toml"]).await);
            fs::remove_file(file).unwrap();
        }
    }
    let left = fs::read_dir(dir.path()).unwrap().count();
    assert_eq!(left, 0, "a store was made before the settings were checked");
    // The table is whole.
    let help = sharehub(dir.path(), &["serve", "--help"]).await;
    assert_eq!(help.code, Some(0), "{help:?}");
    let words = help.out.split_whitespace().filter_map(|it| it.strip_prefix("--"));
    let names = words.filter_map(|it| it.split('[').next());
    let flags = names.map(|it| it.replace('-', "_")).filter(|it| it != "help");
    let flags: BTreeSet<_> = flags.collect();
    let all = BAD.iter().map(|(key, _)| (*key).to_owned());
    assert_eq!(flags, all.collect());
}

#[tokio::test]
async fn a_file_with_a_key_that_does_not_exist_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    for text in
        ["lissten = \"127.0.0.1:0\"\n", "[server]\nlisten = \"127.0.0.1:0\"\n", "listen\n", "\u{0}"]
    {
        fs::write(dir.path().join("hub.toml"), text).unwrap();
        let ran = sharehub(dir.path(), &["serve", "--config", "hub.toml"]).await;
        assert_eq!(ran.code, Some(64), "{text}: {ran:?}");
        assert!(ran.err.contains("`config`"), "{}", ran.err);
    }
}

#[tokio::test]
async fn a_command_line_that_cannot_be_read_exits_64() {
    let dir = tempfile::tempdir().unwrap();
    let bad: [&[&str]; 6] = [
        &[],
        &["serve", "--no-such-flag"],
        &["serve", "--listen"],
        &["fly"],
        &["key"],
        &["call", "--key", "shk_x_y"],
    ];
    for arguments in bad {
        let ran = sharehub(dir.path(), arguments).await;
        assert_eq!(ran.code, Some(64), "{arguments:?}: {ran:?}");
        assert!(!ran.err.is_empty() && ran.out.is_empty(), "{arguments:?}: {ran:?}");
    }
    for good in [["--help"], ["--version"]] {
        let ran = sharehub(dir.path(), &good).await;
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert!(ran.out.contains("sharehub") && ran.err.is_empty(), "{ran:?}");
    }
}

#[tokio::test]
async fn what_is_not_the_configurations_fault_exits_1() {
    let dir = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    let ran = sharehub(dir.path(), &["serve", "--listen", &listen, "--log", "warn"]).await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.err.starts_with("sharehub: "), "{}", ran.err);
    let nowhere =
        ["serve", "--listen", "127.0.0.1:0", "--database-url", "sqlite://no/such/dir/hub.db"];
    let ran = sharehub(dir.path(), &nowhere).await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
}

// === commands ===

#[tokio::test]
async fn health_tells_by_its_exit_code() {
    let hub = Hub::start().await;
    let dir = tempfile::tempdir().unwrap();
    let target = format!("http://{}", hub.address);
    let ran = sharehub(dir.path(), &["health", "--target", &target]).await;
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), "SERVING\n"), "{ran:?}");
    hub.stop().await;
    let ran = sharehub(dir.path(), &["health", "--target", &target]).await;
    assert_eq!(ran.code, Some(4), "{ran:?}");
    assert!(ran.err.contains(&target), "{}", ran.err);
    let ran = sharehub(dir.path(), &["health", "--target", "not a url"]).await;
    assert_eq!(ran.code, Some(64), "{ran:?}");
}

#[tokio::test]
async fn a_call_prints_json() {
    let hub = Hub::start().await;
    let dir = tempfile::tempdir().unwrap();
    let target = format!("http://{}", hub.address);
    let Key(key) = hub.admin().key;
    let key = key.unwrap();
    let request = r#"{"unit": {"code": {"code": "86", "date": "2026-01-01"}}}"#;
    for method in [
        "UnitService/GetUnit",
        "sharehub.v1.UnitService/GetUnit",
        "/sharehub.v1.UnitService/GetUnit",
    ] {
        let arguments = ["call", "--target", &target, "--key", &key, method, request];
        let ran = sharehub(dir.path(), &arguments).await;
        assert_eq!(ran.code, Some(0), "{method}: {ran:?}");
        let answer: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
        assert_eq!(answer["unit"]["name"], "Tỉnh Vĩnh Long", "{}", ran.out);
        assert_eq!(answer["unit"]["level"], "UNIT_LEVEL_PROVINCE", "{}", ran.out);
    }
    // The key from the environment, the request left out.
    let mut command = command(dir.path());
    command.args(["call", "--target", &target, "AccessService/WhoAmI"]).env("SHAREHUB_KEY", &key);
    let ran = run(command).await;
    let answer: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(answer["system"]["code"], "admin", "{}", ran.out);
    assert!(!ran.out.contains(&key));
}

#[tokio::test]
async fn a_reader_that_has_read_enough_is_no_failure() {
    let dir = tempfile::tempdir().unwrap();
    let key = admin_key(dir.path()).await;
    let program = Program::serve(dir.path(), &[]).await;
    let mut piped = Command::new("sh");
    // Standard output is closed before anything is written to it.
    let script = r#"{ "$@"; echo "exit $?" >&2; } | true"#;
    piped.args(["-c", script, "sh", env!("CARGO_BIN_EXE_sharehub"), "call"]);
    piped.args(["--target", &program.target(), "--key", &key, "UnitService/ListUnits"]);
    let ran = run(piped).await;
    assert_eq!(ran.err.trim(), "exit 0");
}

#[tokio::test]
async fn a_refused_call_prints_the_reason_and_the_fields() {
    let hub = Hub::start().await;
    let dir = tempfile::tempdir().unwrap();
    let target = format!("http://{}", hub.address);
    let Key(key) = hub.admin().key;
    let key = key.unwrap();
    let call = async |key: &str, method: &str, request: &str, code: i32| {
        let arguments = ["call", "--target", &target, "--key", key, method, request];
        let ran = sharehub(dir.path(), &arguments).await;
        assert_eq!(ran.code, Some(code), "{method} {request}: {ran:?}");
        assert!(ran.out.is_empty(), "{}", ran.out);
        ran.err
    };
    let bad = r#"{"date": "2024-02-30", "page": {"size": -1}}"#;
    let err = call(&key, "UnitService/ListUnits", bad, 2).await;
    for part in
        ["InvalidArgument", "ERROR_REASON_FIELD_INVALID", "\n  date: must ", "\n  page.size: must "]
    {
        assert!(err.contains(part), "no `{part}` in: {err}");
    }
    let err = call("shk_aaaaaaaaaaaa_b", "AccessService/WhoAmI", "{}", 3).await;
    assert!(err.contains("ERROR_REASON_CALLER_UNKNOWN"), "{err}");
    // What cannot be asked at all.
    let err = call(&key, "UnitService/Nothing", "{}", 2).await;
    assert!(err.contains("no method `UnitService/Nothing`"), "{err}");
    for request in ["{", "[]", r#"{"unti": {}}"#, r#"{"unit": 1}"#, "{} {}"] {
        let err = call(&key, "UnitService/GetUnit", request, 2).await;
        assert!(err.starts_with("sharehub: "), "{request}: {err}");
    }
    let err = call("new\nline", "AccessService/WhoAmI", "{}", 64).await;
    assert!(err.starts_with("sharehub: "), "{err}");
}

#[tokio::test]
async fn a_key_is_issued_beside_a_running_hub() {
    let dir = tempfile::tempdir().unwrap();
    let first = admin_key(dir.path()).await;
    let program = Program::serve(dir.path(), &[]).await;
    let second = admin_key(dir.path()).await;
    assert_ne!(first, second);
    // The hub follows what others commit, within half a second and some.
    let mut access = program.as_(&second).access();
    let last = Instant::now() + Duration::from_secs(10);
    while access.who_am_i(pb::WhoAmIRequest {}).await.is_err() {
        assert!(Instant::now() < last, "the new key is not accepted");
        time::sleep(Duration::from_millis(20)).await;
    }
    // A third live key is one too many; a system that is not there gets none.
    let url = url(dir.path());
    let third = ["key", "issue", "--system", "admin", "--database-url", &url];
    let ran = sharehub(dir.path(), &third).await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.err.contains("two live keys") && ran.out.is_empty(), "{ran:?}");
    for (system, code) in [("nobody", 1), ("Not A Code", 1)] {
        let ran =
            sharehub(dir.path(), &["key", "issue", "--system", system, "--database-url", &url])
                .await;
        assert_eq!(ran.code, Some(code), "{ran:?}");
        assert!(ran.out.is_empty(), "{ran:?}");
    }
}

// === stopping ===

/// Watches the health, once it was told to serve.
async fn watch(channel: Channel) -> tonic::Streaming<tonic_health::pb::HealthCheckResponse> {
    let mut health = HealthClient::new(channel);
    let mut watched = health.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    let first = watched.message().await.unwrap().unwrap();
    assert_eq!(first.status().as_str_name(), "SERVING");
    watched
}

#[tokio::test]
async fn a_terminated_hub_says_so_and_finishes_what_it_began() {
    let dir = tempfile::tempdir().unwrap();
    let key = admin_key(dir.path()).await;
    let mut program = Program::serve(dir.path(), &["--call-ms", "60000"]).await;
    let mut watched = watch(program.channel()).await;
    let somebody = program.as_(&key);
    let info = somebody.info().get_info(pb::GetInfoRequest {}).await.unwrap().into_inner();
    let next = info.newest.unwrap().number + 1;
    // A read that waits for the next revision is in flight.
    let requirement = Some(pb::consistency::Requirement::AtLeast(next));
    let consistency = Some(pb::Consistency { requirement });
    let unit = gso("86", "2026-01-01");
    let mut units = somebody.units();
    let waiting =
        task::spawn(async move { units.get_unit(pb::GetUnitRequest { unit, consistency }).await });
    // It is on its way when a call that was made after it, on the same connection, has come back.
    task::yield_now().await;
    somebody.info().get_info(pb::GetInfoRequest {}).await.unwrap();
    let began = Instant::now();
    program.terminate();
    let told = time::timeout(Duration::from_secs(5), watched.message()).await.unwrap();
    assert_eq!(told.unwrap().unwrap().status().as_str_name(), "NOT_SERVING");
    drop(watched);
    // Nobody new is let in.
    let ran = sharehub(dir.path(), &["health", "--target", &program.target()]).await;
    assert_eq!(ran.code, Some(4), "{ran:?}");
    assert!(!waiting.is_finished(), "the call in flight was cut: {:?}", waiting.await);
    // The revision comes from beside.
    admin_key(dir.path()).await;
    let answer = time::timeout(Duration::from_secs(5), waiting).await.unwrap().unwrap().unwrap();
    assert!(answer.into_inner().read_at.unwrap().number >= next);
    drop(somebody);
    let status = program.ended(Duration::from_secs(10)).await;
    assert_eq!(status.code(), Some(0), "{status:?}");
    assert!(began.elapsed() < Duration::from_secs(10), "it took {:?}", began.elapsed());
    let log = fs::read_to_string(&program.log).unwrap();
    for message in ["stopping", "stopped"] {
        assert!(log.contains(&format!("\"message\":\"{message}\"")), "{log}");
    }
    assert!(!log.contains("WARN") && !log.contains("ERROR"), "{log}");
}

#[tokio::test]
async fn a_terminated_hub_does_not_wait_for_ever() {
    let dir = tempfile::tempdir().unwrap();
    let key = admin_key(dir.path()).await;
    let mut program = Program::serve(dir.path(), &["--call-ms", "60000"]).await;
    // Somebody watches, somebody's call takes longer than the hub may, and somebody said nothing yet.
    let _watched = watch(program.channel()).await;
    let somebody = program.as_(&key);
    let requirement = Some(pb::consistency::Requirement::AtLeast(i64::MAX));
    let consistency = Some(pb::Consistency { requirement });
    let mut units = somebody.units();
    let waiting = task::spawn(async move {
        units.get_unit(pb::GetUnitRequest { unit: id(1), consistency }).await
    });
    task::yield_now().await;
    somebody.info().get_info(pb::GetInfoRequest {}).await.unwrap();
    let _silent = tokio::net::TcpStream::connect(program.address).await.unwrap();
    let began = Instant::now();
    program.terminate();
    let status = program.ended(Duration::from_secs(12)).await;
    assert_eq!(status.code(), Some(0), "{status:?}");
    assert!(began.elapsed() < Duration::from_secs(10), "it took {:?}", began.elapsed());
    let cut = time::timeout(Duration::from_secs(5), waiting).await.unwrap().unwrap();
    assert!(cut.is_err());
}

#[tokio::test]
async fn an_idle_hub_stops_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let key = admin_key(dir.path()).await;
    let mut program = Program::serve(dir.path(), &[]).await;
    // A connection that is kept, without a call on it.
    let somebody = program.as_(&key);
    somebody.info().get_info(pb::GetInfoRequest {}).await.unwrap();
    let began = Instant::now();
    program.terminate();
    let status = program.ended(Duration::from_secs(10)).await;
    assert_eq!(status.code(), Some(0), "{status:?}");
    assert!(began.elapsed() < Duration::from_secs(4), "it took {:?}", began.elapsed());
    // Everything went into the one file.
    let left = |name: &str| dir.path().join(name).exists();
    assert!(left("hub.db") && !left("hub.db-wal"), "the log was not written back");
}

// === two hubs ===

#[tokio::test]
async fn two_hubs_in_one_process_do_not_disturb_each_other() {
    let (one, two) = (Hub::start().await, Hub::start().await);
    let before = two.hub.revisions.head();
    let grants = Grants { publish_units: true, ..Default::default() };
    let publisher = one.system("so-noi-vu", grants).await;
    assert!(one.hub.revisions.head().newest.number > before.newest.number);
    assert_eq!(two.hub.revisions.head(), before);
    // A key of the one is no key of the other.
    let Key(key) = publisher.key;
    let stranger = two.as_(key.as_deref().unwrap());
    let refused = stranger.access().who_am_i(pb::WhoAmIRequest {}).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::Unauthenticated);
    let who_am_i = "/sharehub.v1.AccessService/WhoAmI";
    let count = |hub: &Hub| hub.meter.count(who_am_i, tonic::Code::Unauthenticated);
    assert_eq!((count(&one), count(&two)), (0, 1));
    // Stopped, the one leaves the other alone.
    one.stop().await;
    let admin = sharehub::caller::SystemCode::parse("admin").unwrap();
    access::store::issue_key(&two.hub, access::queries::Issue { system: admin, expires_at: None })
        .await
        .unwrap();
    assert_eq!(two.hub.revisions.head().newest.number, before.newest.number + 1);
}
