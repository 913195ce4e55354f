//! The program itself: its exit codes, what it prints, and how it stops.
use std::{
    collections::BTreeSet,
    fs,
    process::Command,
    time::{Duration, Instant},
};

use sharehub::pb;
use tokio::{net::TcpListener, time};

use crate::support::{
    client::Key,
    hub::Hub,
    program::{Program, Ran, admin_key, command, run, sharehub, url},
};

// === configuration ===

/// Every setting with a value that it cannot have.
const BAD: &[(&str, &str)] = &[
    ("config", "no/such/file.toml"),
    ("listen", "here"),
    ("admin_listen", "50060"),
    ("database_url", "mysql://user:password@host/x"),
    ("replica_url", "postgres://user:password@host/x"),
    ("log", "sharehub=loud"),
    ("log_format", "xml"),
    ("otlp_endpoint", "not a url"),
    ("call_ms", "0"),
    ("in_flight", "many"),
    ("in_flight_share", "0"),
    ("message_bytes", "-1"),
    ("watches", "0"),
    ("watches_per_system", "some"),
    ("consumers_per_system", "0"),
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
    ("identify_s", "0"),
    ("unidentified_per_address", "0"),
    ("audit_key", "no/such/folder/audit.key"),
    ("audit_grace_s", "-1"),
];

/// `written` is the setting as it was written: a flag, a variable, or a key and its file.
fn check_bad(written: &str, ran: &Ran) {
    assert_eq!(ran.code, Some(64), "{written}: {ran:?}");
    assert!(ran.err.contains(&format!("bad setting: {written} must ")), "{written}: {}", ran.err);
    assert_eq!(ran.err.lines().count(), 1, "{}", ran.err);
    assert!(ran.out.is_empty(), "{}", ran.out);
    assert!(!ran.err.contains("password"), "a secret is repeated: {}", ran.err);
}

#[tokio::test]
async fn a_bad_setting_is_named_however_it_is_given() {
    let dir = tempfile::tempdir().unwrap();
    for &(key, value) in BAD {
        let flag = format!("--{}", key.replace('_', "-"));
        let given = format!("{flag}={value}");
        check_bad(&format!("`{flag}`"), &sharehub(dir.path(), &["serve", &given]).await);
        let variable = format!("SHAREHUB_{}", key.to_uppercase());
        let mut by_env = command(dir.path());
        by_env.arg("serve").env(&variable, value);
        check_bad(&format!("`{variable}`"), &run(by_env).await);
        if key != "config" {
            let file = dir.path().join("hub.toml");
            fs::write(&file, format!("{key} = \"{value}\"\n")).unwrap();
            let written = format!("`{key}` in hub.toml");
            check_bad(&written, &sharehub(dir.path(), &["serve", "--config", "hub.toml"]).await);
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
        assert!(ran.err.contains("hub.toml"), "{}", ran.err);
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
