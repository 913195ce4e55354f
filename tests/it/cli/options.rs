//! What commands have in common: options, keys, addresses, exit codes, and that only a hub makes a store.
use std::{
    collections::BTreeSet,
    fs::{self, File},
    path::Path,
    process::Command,
};

use tokio::net::TcpListener;

use crate::{
    cli::call::{Desk, json},
    support::{
        desk::SOURCE,
        pki::PKI,
        program::{admin_key, command, run, sharehub, url},
    },
};

// === exit codes ===

#[tokio::test]
async fn each_kind_of_failure_has_its_exit_code() {
    let desk = Desk::start().await;
    let nowhere = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = format!("http://{}", nowhere.local_addr().unwrap());
    drop(nowhere);
    let good = desk.target();
    let key = desk.key();
    let by = |target: &str, key: &str| [format!("--target={target}"), format!("--key={key}")];
    let (this, unknown, away) = (by(&good, &key), by(&good, "shk_a_b"), by(&target, &key));
    let list_systems = ["call", "AccessService/ListSystems"].as_slice();
    let who = ["call", "AccessService/WhoAmI"].as_slice();
    let cases: &[(&[&str], &[String; 2], i32)] = &[
        (who, &this, 0),
        (&["call", "UnitService/GetUnit", "{}"], &this, 2),
        (&["call", "UnitService/GetUnit", r#"{"unit":{"id":"999999"}}"#], &this, 2),
        (&["call", "UnitService/GetUnit", r#"{"unti":1}"#], &this, 2),
        (&["query", "snapshot"], &this, 2),
        (&["export", "observations", "--indicator", "no.such", "--out", "-"], &this, 2),
        (&["watch", "--from", "not-a-token"], &this, 2),
        (list_systems, &this, 3),
        (who, &unknown, 3),
        (&["query", "observations"], &unknown, 3),
        (&["agreement", "list"], &unknown, 3),
        (who, &away, 4),
        (&["query", "observations"], &away, 4),
        (&["watch"], &away, 4),
        (&["call"], &this, 64),
        (who, &by("not a url", &key), 64),
        (who, &by("ftp://localhost:1", &key), 64),
        (who, &by("localhost", &key), 64),
        (who, &by(&good, "two\nlines"), 64),
        (who, &by(&good, ""), 64),
    ];
    for (arguments, by, code) in cases {
        let by = by.each_ref().map(String::as_str);
        let ran = sharehub(desk.dir.path(), &[*arguments, by.as_slice()].concat()).await;
        assert_eq!(ran.code, Some(*code), "{arguments:?} {by:?}: {ran:?}");
        assert_eq!(ran.err.starts_with("sharehub: ") || ran.err.starts_with("error: "), *code != 0);
    }
    let ran = sharehub(desk.dir.path(), &["health", "--target", &target]).await;
    assert_eq!(ran.code, Some(4), "{ran:?}");
    // They are documented.
    for arguments in [["--help"].as_slice(), &["call", "--help"]] {
        let help = sharehub(desk.dir.path(), arguments).await.out;
        for code in ["0   done", "1   ", "2   refused", "3   not permitted", "4   unreach", "64  "]
        {
            assert!(help.contains(&format!("\n  {code}")), "no {code}: {help}");
        }
    }
}

// === who calls, and where ===

#[tokio::test]
async fn a_key_is_read_from_a_file() {
    let desk = Desk::start().await;
    let (dir, target) = (desk.dir.path(), desk.target());
    fs::write(dir.join("key"), format!("{}\n", desk.key())).unwrap();
    fs::write(dir.join("empty"), "\n").unwrap();
    let who = ["call", "AccessService/WhoAmI", "--target", &target];
    let mut command = command(dir);
    // It goes before what the environment says.
    command.args(who).args(["--key-file", "key"]).env("SHAREHUB_KEY", "shk_a_b");
    let ran = run(command).await;
    assert_eq!(json(&ran.out)["system"]["code"], SOURCE, "{ran:?}");
    for file in ["empty", "no-such"] {
        let ran = sharehub(dir, &[who.as_slice(), &["--key-file", file]].concat()).await;
        assert!(ran.code == Some(64) && ran.err.contains("`--key-file` must"), "{ran:?}");
    }
    let ran = sharehub(dir, &who).await;
    assert!(ran.code == Some(64) && ran.err.contains("--key-file"), "{ran:?}");
}

#[tokio::test]
async fn an_address_without_a_scheme_is_plain_text_on_this_machine_only() {
    let desk = Desk::start().await;
    let dir = desk.dir.path();
    let port = desk.hub.address.port();
    for target in [format!("127.0.0.1:{port}"), format!("localhost:{port}")] {
        let ran = sharehub(dir, &["health", "--target", &target]).await;
        assert_eq!(ran.code, Some(0), "{target}: {ran:?}");
    }
    // With a CA it is TLS, and so it is with the CAs that the machine trusts.
    let secure = desk.hub.secure().await;
    fs::write(dir.join("ca.pem"), &PKI.authority.own.cert).unwrap();
    let target = format!("localhost:{}", secure.port());
    let ran = sharehub(dir, &["health", "--target", &target, "--ca", "ca.pem"]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let target = format!("https://{target}");
    let trusting = async |file: &Path| {
        let mut command = command(dir);
        command.args(["health", "--target", &target]).env("SSL_CERT_FILE", file);
        run(command).await
    };
    let ran = trusting(&dir.join("ca.pem")).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let ran = sharehub(dir, &["pki", "dev", "other"]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let ran = trusting(&dir.join("other/ca.pem")).await;
    assert!(ran.code == Some(4) && ran.err.contains("UnknownIssuer"), "{ran:?}");
    // Plain text where TLS is meant.
    let plain = desk.target();
    let ran = sharehub(dir, &["health", "--target", &plain, "--ca", "ca.pem"]).await;
    assert!(ran.code == Some(64) && ran.err.contains("begin with https://"), "{ran:?}");
}

// === the command line ===

/// The options of a command, as its help names them.
async fn options(dir: &Path, arguments: &[&str]) -> BTreeSet<String> {
    let ran = sharehub(dir, &[arguments, &["--help"]].concat()).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let lines = ran.out.lines().map(str::trim_start);
    let lines = lines.filter_map(|it| it.strip_prefix("-h, ").or(Some(it))?.strip_prefix("--"));
    let names = lines.filter_map(|it| it.split([' ', '[', '=']).next());
    names.map(str::to_owned).filter(|it| it != "help").collect()
}

#[tokio::test]
async fn options_are_shown_only_where_they_act() {
    let dir = tempfile::tempdir().unwrap();
    let place = ["config", "database-url"].as_slice();
    let store =
        ["audit-key", "config", "data-keys", "database-url", "log", "log-format"].as_slice();
    for (arguments, own, shared) in [
        (["restored"].as_slice(), [].as_slice(), store),
        (&["compact"], &["grace", "keep", "reason"], store),
        (&["key", "issue"], &["administrator", "system"], store),
        (&["data-keys", "reseal"], &[], store),
        (&["audit", "export"], &[], place),
        (&["audit", "key"], &["audit-key"], place),
    ] {
        let expected = own.iter().chain(shared).map(|it| (*it).to_owned()).collect();
        assert_eq!(options(dir.path(), arguments).await, expected, "{arguments:?}");
    }
    assert!(options(dir.path(), &["serve"]).await.len() > 25);
}

#[tokio::test]
async fn shells_complete_commands() {
    let dir = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let ran = sharehub(dir.path(), &["completions", shell]).await;
        assert_eq!(ran.code, Some(0), "{ran:?}");
        for word in ["sharehub", "completions", "key-file", "describe"] {
            assert!(ran.out.contains(word), "{shell}: no {word}");
        }
    }
    // The shell itself takes it.
    let script = r#"source <("$1" completions bash) && complete -p sharehub"#;
    let mut bash = Command::new("bash");
    bash.args(["-c", script, "bash", env!("CARGO_BIN_EXE_sharehub")]);
    let ran = run(bash).await;
    assert!(ran.code == Some(0) && ran.out.contains("sharehub"), "{ran:?}");
    let ran = sharehub(dir.path(), &["completions", "sh"]).await;
    assert_eq!(ran.code, Some(64), "{ran:?}");
}

// === stores ===

#[tokio::test]
async fn commands_on_a_store_never_make_one() {
    let dir = tempfile::tempdir().unwrap();
    let empty = "sqlite://empty.db";
    for arguments in [
        ["restored"].as_slice(),
        &["compact", "--keep", "1d"],
        &["key", "issue", "--system", "admin", "--administrator"],
        &["data-keys", "reseal"],
        &["update-units"],
        &["audit", "export", "log.jsonl"],
        &["audit", "export", "-"],
    ] {
        for url in ["sqlite://no-such.db", empty, "sqlite://no/such/folder.db", "sqlite::memory:"] {
            File::create(dir.path().join("empty.db")).unwrap();
            let ran = sharehub(dir.path(), &[arguments, &["--database-url", url]].concat()).await;
            assert_eq!(ran.code, Some(1), "{arguments:?} {url}: {ran:?}");
            assert!(ran.err.contains(&format!("no store at {url}")), "{arguments:?}: {ran:?}");
            assert!(ran.out.is_empty(), "{ran:?}");
            let size = fs::metadata(dir.path().join("empty.db")).unwrap().len();
            fs::remove_file(dir.path().join("empty.db")).unwrap();
            let left = fs::read_dir(dir.path()).unwrap().count();
            assert_eq!((size, left), (0, 0), "{arguments:?} {url}: something was made");
        }
    }
    let ran = sharehub(dir.path(), &["audit", "key"]).await;
    assert!(ran.code == Some(1) && ran.err.contains("sharehub.db.audit-key"), "{ran:?}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_database_without_a_store_in_it_is_left_as_it_is() {
    if !crate::support::engine::is_postgres() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let url = crate::support::engine::empty_database().await;
    for arguments in [["restored"].as_slice(), &["key", "issue", "--system", "a"]] {
        let ran = sharehub(dir.path(), &[arguments, &["--database-url", &url]].concat()).await;
        assert_eq!(ran.code, Some(1), "{arguments:?}: {ran:?}");
        assert!(ran.err.contains("there is no store at postgres"), "{ran:?}");
    }
    assert!(!sharehub::db::presence::exists(&url).await.unwrap());
    drop(sharehub::db::Db::open(&url).await.unwrap());
    assert!(sharehub::db::presence::exists(&url).await.unwrap());
}

// === logs ===

#[tokio::test]
async fn a_log_that_is_no_terminal_has_no_colours() {
    let dir = tempfile::tempdir().unwrap();
    admin_key(dir.path()).await;
    let url = url(dir.path());
    let issue = ["key", "issue", "--system", "admin", "--log", "info", "--database-url", &url];
    let ran = sharehub(dir.path(), &issue).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.err.contains("INFO"), "nothing was logged: {ran:?}");
    assert!(!ran.err.contains('\u{1b}'), "{ran:?}");
}
