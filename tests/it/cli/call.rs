//! `sharehub call`, and what every command that calls a hub has in common: streams, messages, exit codes, keys,
//! addresses.
use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{BufRead, BufReader, Write},
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use serde_json::Value;
use sharehub::pb;
use tokio::task;

use crate::support::{
    client::{Client, Key, all_indicators},
    desk::{SOURCE, count},
    hub::Hub,
    program::{Ran, command, run, sharehub},
};

/// A hub with an indicator, and who publishes it.
pub struct Desk {
    pub hub: Hub,
    pub source: Client,
    pub dir: tempfile::TempDir,
}

impl Desk {
    pub async fn start() -> Self {
        let hub = Hub::start().await;
        let source = hub.system(SOURCE, all_indicators()).await;
        let indicators = vec![count("doc.count")];
        let request = pb::DefineIndicatorsRequest { indicators, ..Default::default() };
        source.indicators().define_indicators(request).await.unwrap();
        Self { hub, source, dir: tempfile::tempdir().unwrap() }
    }

    pub fn target(&self) -> String {
        format!("http://{}", self.hub.address)
    }

    pub fn key(&self) -> String {
        let Key(key) = self.source.key.clone();
        key.unwrap()
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = command(self.dir.path());
        command.arg("call").args(arguments).env("SHAREHUB_TARGET", self.target());
        command.env("SHAREHUB_KEY", self.key());
        command
    }

    pub async fn call(&self, arguments: &[&str]) -> Ran {
        run(self.command(arguments)).await
    }

    /// The same, with this on standard input.
    pub async fn feed(&self, arguments: &[&str], input: &str) -> Ran {
        let path = self.dir.path().join("input");
        fs::write(&path, input).unwrap();
        let mut command = self.command(arguments);
        command.stdin(File::open(path).unwrap());
        run(command).await
    }
}

pub fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|err| panic!("{err}: {text}"))
}

/// A line of an ingest stream.
fn item(indicator: &str, period: &str, value: &str) -> String {
    let unit = r#"{"code":{"code":"805","date":"2024-12-31"}}"#;
    let status = "OBSERVATION_STATUS_FINAL";
    format!(
        r#"{{"indicator":"{indicator}","unit":{unit},"period":"{period}","value":"{value}","status":"{status}"}}"#
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
    // A reader that goes away in the middle: rows meet the closed pipe, not only the end of the table.
    let mut piped = Command::new("sh");
    let script = r#"{ "$@"; echo "exit $?" >&2; } | head -1"#;
    piped.args(["-c", script, "sh", env!("CARGO_BIN_EXE_sharehub")]);
    piped.args(["export", "dossiers", "--out", "-"]).args(by);
    let ran = run(piped).await;
    assert_eq!(ran.err.trim(), "exit 0", "{ran:?}");
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
    let ingest =
        [item("doc.count", "2024-01", "1"), item("doc.count", "2024-YTD-02", "2")].join(",");
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
    let good = [item("doc.count", "2024-01", "1"), item("doc.count", "2024-YTD-02", "2")];
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
    let bad = batch(&[item("doc.count", "2024-YTD-03", "3"), item("no.such", "2024-YTD-03", "3")]);
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
