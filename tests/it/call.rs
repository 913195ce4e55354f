//! `sharehub call`, and what every command that calls a hub has in common: streams, messages, exit codes, keys, addresses.
use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use prost_reflect::DescriptorPool;
use serde_json::Value;
use sharehub::pb;
use tokio::{net::TcpListener, task};

use crate::{
    hub::{Client, Hub, Key, all_indicators},
    indicator::{SOURCE, count},
    pki::PKI,
    program::{Ran, admin_key, command, run, sharehub, url},
};

/// A hub with an indicator, and who publishes it.
struct Desk {
    hub: Hub,
    source: Client,
    dir: tempfile::TempDir,
}

impl Desk {
    async fn start() -> Self {
        let hub = Hub::start().await;
        let source = hub.system(SOURCE, all_indicators()).await;
        let indicators = vec![count("doc.count")];
        let request = pb::DefineIndicatorsRequest { indicators, ..Default::default() };
        source.indicators().define_indicators(request).await.unwrap();
        Self { hub, source, dir: tempfile::tempdir().unwrap() }
    }

    fn target(&self) -> String {
        format!("http://{}", self.hub.address)
    }

    fn key(&self) -> String {
        let Key(key) = self.source.key.clone();
        key.unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = command(self.dir.path());
        command.arg("call").args(arguments).env("SHAREHUB_TARGET", self.target());
        command.env("SHAREHUB_KEY", self.key());
        command
    }

    async fn call(&self, arguments: &[&str]) -> Ran {
        run(self.command(arguments)).await
    }

    /// The same, with this on standard input.
    async fn feed(&self, arguments: &[&str], input: &str) -> Ran {
        let path = self.dir.path().join("input");
        fs::write(&path, input).unwrap();
        let mut command = self.command(arguments);
        command.stdin(File::open(path).unwrap());
        run(command).await
    }
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|err| panic!("{err}: {text}"))
}

/// A line of an ingest stream.
fn item(indicator: &str, period: &str, value: &str) -> String {
    let unit = r#"{"code":{"code":"805","date":"2024-12-31"}}"#;
    format!(
        r#"{{"indicator":"{indicator}","unit":{unit},"period":"{period}","value":"{value}","status":"OBSERVATION_STATUS_FINAL"}}"#
    )
}

// === streams ===

#[tokio::test]
async fn a_server_stream_is_a_line_for_each_message_as_it_comes() {
    let desk = Desk::start().await;
    let mut command =
        desk.command(&["FeedService/Watch", r#"{"filters":[{"units":{}}],"now":true}"#]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in out.lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    // The first says where the feed stands; the call goes on, so it was not kept until the end.
    let next = move || lines.recv_timeout(Duration::from_secs(60));
    let (first, next) = task::spawn_blocking(move || (next(), next)).await.unwrap();
    assert!(json(&first.unwrap())["bookmark"].is_object());
    assert!(child.try_wait().unwrap().is_none());
    let second = task::spawn_blocking(next).await.unwrap().unwrap();
    assert!(json(&second).is_object(), "{second}");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[tokio::test]
async fn a_whole_export_is_printed_and_counts_as_the_table_does() {
    let hub = Hub::start().await;
    let roles = sharehub::demo::load(&hub.hub, &hub.access).await.unwrap();
    let key = &roles.iter().find(|it| it.name == "IOC").unwrap().key;
    let dir = tempfile::tempdir().unwrap();
    let target = format!("http://{}", hub.address);
    let by = ["--target", &target, "--key", key];
    let run = async |arguments: &[&str]| {
        let ran = sharehub(dir.path(), &[arguments, &by].concat()).await;
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        ran.out
    };
    let called = run(&["call", "DossierService/ExportDossiers", "{}"]).await;
    let messages: Vec<Value> = called.lines().map(json).collect();
    assert!(messages.len() > 1, "{} messages", messages.len());
    let dossiers = messages.iter().filter_map(|it| it["dossiers"].as_array()).flatten();
    let codes: BTreeSet<_> = dossiers.map(|it| it["code"].as_str().unwrap()).collect();
    let table = run(&["export", "dossiers", "--out", "-"]).await;
    let rows = csv::Reader::from_reader(table.as_bytes()).records().count();
    assert_eq!((codes.len(), rows), (14_309, 14_309));
}

#[tokio::test]
async fn whoever_has_read_enough_ends_the_command_quietly() {
    let desk = Desk::start().await;
    let ingest = [item("doc.count", "2024-01", "1"), item("doc.count", "2024-02", "2")].join(",");
    let publish = format!(r#"{{"observations":[{ingest}]}}"#);
    let ran = desk.call(&["IndicatorService/PublishObservations", &publish]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let watch =
        ["call", "FeedService/Watch", r#"{"filters":[{"indicators":{}}],"beginning":true}"#];
    for (arguments, reader) in [
        (watch.as_slice(), "head -1"),
        (&["call", "--list"], "head -1"),
        (&["call", "IndicatorService/ExportObservations"], "true"),
        (&["export", "observations", "--out", "-"], "true"),
        (&["query", "observations", "--json"], "true"),
    ] {
        let mut piped = Command::new("sh");
        let script = format!(r#"{{ "$@"; echo "exit $?" >&2; }} | {reader}"#);
        piped.args(["-c", &script, "sh", env!("CARGO_BIN_EXE_sharehub")]).args(arguments);
        piped.env("SHAREHUB_TARGET", desk.target()).env("SHAREHUB_KEY", desk.key());
        let ran = run(piped).await;
        let last = ran.err.lines().last();
        assert_eq!(last, Some("exit 0"), "{arguments:?}: {ran:?}");
        assert!(!ran.err.contains("sharehub: "), "{arguments:?}: {ran:?}");
    }
}

#[tokio::test]
async fn a_client_stream_is_read_from_lines() {
    let desk = Desk::start().await;
    const METHOD: &str = "IndicatorService/IngestObservations";
    let open = |load: &str| format!(r#"{{"open":{{"load":"{load}"}}}}"#);
    let batch = |items: &[String]| {
        format!(r#"{{"batch":{{"first":1,"observations":[{}]}}}}"#, items.join(","))
    };
    let good = [item("doc.count", "2024-01", "1"), item("doc.count", "2024-02", "2")];
    let text = format!("{}\n\n{}\n", open("one"), batch(&good));
    for (load, argument) in [("one", None), ("two", Some("-")), ("three", Some("@lines"))] {
        let text = text.replace("\"one\"", &format!("\"{load}\""));
        fs::write(desk.dir.path().join("lines"), &text).unwrap();
        let arguments: Vec<_> = std::iter::once(METHOD).chain(argument).collect();
        let ran = desk.feed(&arguments, &text).await;
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let answers: Vec<Value> = ran.out.lines().map(json).collect();
        assert!(answers[0]["opened"].is_object(), "{}", ran.out);
        let acknowledged = |it: &Value| it["acknowledged"]["durable_through"].clone();
        assert_eq!(acknowledged(answers.last().unwrap()), "2", "{}", ran.out);
    }
    // A rejected item: the answer is printed, and the exit code tells.
    let bad = batch(&[item("doc.count", "2024-03", "3"), item("no.such", "2024-03", "3")]);
    let ran = desk.feed(&[METHOD], &format!("{}\n{bad}\n", open("bad"))).await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.err.contains("1 item was rejected"), "{}", ran.err);
    assert_eq!(json(ran.out.lines().last().unwrap())["acknowledged"]["rejected"], 1, "{}", ran.out);
    // A line that is no message ends the call, and is named.
    let text = format!("{}\n{{\"bach\":1}}\n", open("worse"));
    let ran = desk.feed(&[METHOD], &text).await;
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.err.contains("standard input: line 2: "), "{}", ran.err);
    assert!(ran.err.contains("bach"), "{}", ran.err);
}

#[tokio::test]
async fn answers_are_printed_while_messages_are_still_sent() {
    let desk = Desk::start().await;
    let mut command = desk.command(&["IndicatorService/IngestObservations"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let talked = task::spawn_blocking(move || {
        let mut lines = BufReader::new(output).lines();
        writeln!(input, r#"{{"open":{{"load":"talk"}}}}"#).unwrap();
        let opened = lines.next().unwrap().unwrap();
        let observation = item("doc.count", "2024-01", "1");
        writeln!(input, r#"{{"batch":{{"first":1,"observations":[{observation}]}}}}"#).unwrap();
        let acknowledged = lines.next().unwrap().unwrap();
        drop(input);
        (opened, acknowledged, lines.count())
    });
    let (opened, acknowledged, _) = talked.await.unwrap();
    assert!(json(&opened)["opened"].is_object(), "{opened}");
    assert_eq!(json(&acknowledged)["acknowledged"]["created"], 1, "{acknowledged}");
    assert!(child.wait().unwrap().success());
}

// === messages ===

#[tokio::test]
async fn a_message_comes_from_the_command_line_a_file_or_standard_input() {
    let desk = Desk::start().await;
    const METHOD: &str = "UnitService/GetUnit";
    let message = "{\n  \"unit\": {\"code\": {\"code\": \"86\", \"date\": \"2026-01-01\"}}\n}\n";
    fs::write(desk.dir.path().join("unit.json"), message).unwrap();
    for ran in [
        desk.call(&[METHOD, message]).await,
        desk.call(&[METHOD, "@unit.json"]).await,
        desk.feed(&[METHOD, "-"], message).await,
    ] {
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert_eq!(json(&ran.out)["unit"]["name"], "Tỉnh Vĩnh Long", "{}", ran.out);
    }
    let ran = desk.call(&[METHOD, "@no-such.json"]).await;
    assert!(ran.code == Some(64) && ran.err.contains("no-such.json"), "{ran:?}");
    let ran = desk.feed(&[METHOD, "-"], "{} {}").await;
    assert!(ran.code == Some(2) && ran.err.contains("standard input: "), "{ran:?}");
}

#[tokio::test]
async fn a_write_with_rejected_items_is_printed_and_exits_1() {
    let desk = Desk::start().await;
    let (good, bad) = (item("doc.count", "2024-01", "1"), item("no.such", "2024-01", "1"));
    let message = format!(r#"{{"observations":[{good},{bad}]}}"#);
    let ran = desk.call(&["IndicatorService/PublishObservations", &message]).await;
    assert!(ran.code == Some(2) && ran.out.is_empty(), "nothing is kept: {ran:?}");
    let message = message.replacen('{', r#"{"allow_partial":true,"#, 1);
    let ran = desk.call(&["IndicatorService/PublishObservations", &message]).await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let receipt = &json(&ran.out)["receipt"];
    assert_eq!((&receipt["created"], &receipt["rejected"]), (&1.into(), &1.into()), "{}", ran.out);
    assert!(ran.err.contains("1 item was rejected"), "{}", ran.err);
}

// === the schema ===

#[tokio::test]
async fn the_schema_is_printed_without_a_hub() {
    let dir = tempfile::tempdir().unwrap();
    let run = async |arguments: &[&str]| {
        let ran = sharehub(dir.path(), &[&["call"], arguments].concat()).await;
        assert_eq!(ran.code, Some(0), "{arguments:?}: {ran:?}");
        ran.out
    };
    // Every method, and nothing else, with the marks of streams.
    let list = run(&["--list"]).await;
    let methods = list.lines().filter_map(|it| it.strip_prefix("  "));
    let methods: BTreeSet<_> = methods.filter_map(|it| it.split(' ').next()).collect();
    let pool = DescriptorPool::decode(pb::DESCRIPTORS).unwrap();
    let ours = pool.services().filter(|it| it.full_name().starts_with("sharehub."));
    let all: Vec<_> = ours
        .flat_map(|it| it.methods().collect::<Vec<_>>())
        .map(|it| format!("{}/{}", it.parent_service().name(), it.name()))
        .collect();
    assert_eq!(methods, all.iter().map(String::as_str).collect());
    for line in [
        "UnitService/GetUnit (GetUnitRequest) returns (GetUnitResponse)",
        "FeedService/Watch (WatchRequest) returns (stream WatchResponse)",
        "DossierService/IngestDossiers (stream IngestDossiersRequest) returns (stream IngestDossiersResponse)",
    ] {
        assert!(list.contains(&format!("\n  {line}\n")), "no {line}: {list}");
    }
    // A method: its comment, what it takes and answers, with fields, types and their comments.
    let watch = run(&["--describe", "FeedService/Watch"]).await;
    for part in [
        "// Streams changes until the caller ends it.",
        "rpc Watch(WatchRequest) returns (stream WatchResponse);",
        "message WatchRequest {",
        "  // What to follow: ",
        "  repeated WatchFilter filters = 1;",
        "  oneof from {",
        "    bool beginning = 3;",
        "message WatchResponse {",
    ] {
        assert!(watch.contains(part), "no `{part}`: {watch}");
    }
    for (name, part) in [
        ("UnitRef", "message UnitRef {"),
        ("sharehub.v1.UnitRef", "message UnitRef {"),
        ("ValueQualifier", "  VALUE_QUALIFIER_EXACT = "),
        ("UnitService", "  rpc GetUnit(GetUnitRequest) returns (GetUnitResponse);"),
        ("GetUnit", "rpc GetUnit(GetUnitRequest) returns (GetUnitResponse);"),
    ] {
        let text = run(&["--describe", name]).await;
        assert!(text.contains(part) && text.starts_with("// "), "{name}: {text}");
    }
    // Every name of the schema can be described.
    for message in pool.all_messages().filter(|it| it.full_name().starts_with("sharehub.")).take(8)
    {
        run(&["--describe", message.full_name()]).await;
    }
}

#[tokio::test]
async fn a_misspelt_name_is_answered_with_the_one_that_was_meant() {
    let dir = tempfile::tempdir().unwrap();
    for (arguments, meant) in [
        (["UnitService/GetUnits", "--key=x"].as_slice(), "did you mean `UnitService/GetUnit`?"),
        (&["FeedService/Wach", "--key=x"], "did you mean `FeedService/Watch`?"),
        (&["--describe", "UnitReff"], "did you mean `UnitRef`?"),
        (&["UnitService/Nothing", "--key=x"], "`call --list` prints what there is"),
    ] {
        let ran = sharehub(dir.path(), &[&["call"], arguments].concat()).await;
        assert_eq!(ran.code, Some(2), "{arguments:?}: {ran:?}");
        assert!(ran.err.contains(meant) && ran.out.is_empty(), "{arguments:?}: {ran:?}");
    }
}

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
        assert!(ran.code == Some(64) && ran.err.contains("`key_file` must"), "{ran:?}");
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
    if !crate::engine::is_postgres() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let url = crate::engine::empty_database().await;
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
