//! A setting that cannot be used is named as it was written, and the nearest layer wins.
use std::{fs, path::Path};

use clap::{Args, CommandFactory};

use super::{Cli, Command, Settings, Unread};
use crate::limits::Limits;

fn read(arguments: &[&str]) -> Result<Settings, String> {
    let program = ["sharehub", "serve"].into_iter();
    let arguments = program.chain(arguments.iter().copied()).map(Into::into);
    match Cli::read(arguments) {
        Ok(Cli { command: Command::Serve(settings), written }) => match settings.check() {
            Ok(()) => Ok(settings),
            Err(err) => Err(written.explain(&err)),
        },
        Ok(other) => Err(format!("{other:?}")),
        Err(Unread::Setting(what)) => Err(what),
        Err(Unread::Usage(err)) => Err(err.to_string()),
    }
}

fn refused(arguments: &[&str]) -> String {
    read(arguments).map(|_| ()).unwrap_err()
}

fn file(dir: &Path, text: &str) -> String {
    let path = dir.join("hub.toml");
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[test]
fn the_command_line_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn the_defaults_are_those_of_the_hub() {
    let settings = read(&[]).unwrap();
    assert_eq!(format!("{:?}", settings.limits()), format!("{:?}", Limits::default()));
    assert_eq!(settings.store.log.log, "info");
    assert_eq!(settings.store.audit.key(), Path::new("sharehub.db.audit-key"));
}

#[test]
fn a_bad_flag_is_named_as_it_is_written() {
    for (flag, begins) in [
        ("--listen=here", "`--listen` must be an address"),
        ("--database-url=mysql://secret", "`--database-url` must begin with"),
        ("--replica-url=postgres://host/x", "`--replica-url` must be left out"),
        ("--log-format=xml", "`--log-format` must be `text` or `json`"),
        ("--call-ms=0", "`--call-ms` must be a whole number from 100 to 600000, not `0`"),
        ("--in-flight=many", "`--in-flight` must be a whole number"),
        ("--otlp-endpoint=x", "`--otlp-endpoint` must be a URL"),
        ("--tls-cert=x.pem", "`--tls-cert` must be set together with `tls_key`"),
        ("--config=no/such.toml", "`--config` must name a file that can be read"),
    ] {
        let told = refused(&[flag]);
        assert!(told.starts_with(&format!("bad setting: {begins}")), "{told}");
        assert!(!told.contains("secret"), "{told}");
    }
}

#[test]
fn a_flag_wins_over_the_file_and_the_file_over_the_default() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(dir.path(), "listen = \"127.0.0.1:1\"\ncall_ms = 500\nin_flight = \"9\"\n");
    let settings = read(&["--config", &path, "--listen", "127.0.0.1:2"]).unwrap();
    let limits = settings.limits();
    assert_eq!((limits.longest.as_millis(), limits.in_flight), (500, 9));
    assert_eq!((settings.listen.port(), limits.watches), (2, Limits::default().watches));
    // Empty text means none, and a flag may say so over the file.
    let path = file(dir.path(), "otlp_endpoint = \"http://127.0.0.1:4317\"\nreplica_url = \"\"\n");
    let settings = read(&["--config", &path]).unwrap();
    assert_eq!(settings.otlp_endpoint.as_deref(), Some("http://127.0.0.1:4317"));
    assert_eq!(settings.replica_url, None);
    let settings = read(&["--config", &path, "--otlp-endpoint="]).unwrap();
    assert_eq!(settings.otlp_endpoint, None);
}

#[test]
fn a_bad_setting_of_the_file_is_named_with_the_file() {
    let dir = tempfile::tempdir().unwrap();
    for (text, begins) in [
        ("call_ms = 1\n", "`call_ms` in "),
        ("lissten = \"127.0.0.1:1\"\n", "`lissten` in "),
        ("call_ms = [1]\n", "`call_ms` in "),
        ("[server]\nlisten = \"127.0.0.1:0\"\n", "`server` in "),
        ("listen\n", "`--config` must name a file of TOML"),
    ] {
        let path = file(dir.path(), text);
        // Also where a flag says something else.
        let told = refused(&["--config", &path, "--call-ms", "1000"]);
        assert!(told.starts_with(&format!("bad setting: {begins}")), "{told}");
        assert!(told.contains(&path), "{told}");
    }
}

#[test]
fn the_sample_file_names_every_setting() {
    let sample = include_str!("../../deploy/sharehub.toml");
    let mut named: Vec<_> = sample
        .lines()
        .filter_map(|it| it.trim_start_matches('#').split_once(" = "))
        .map(|(key, _)| key)
        .filter(|it| !it.contains(' '))
        .collect();
    let command = Settings::augment_args(clap::Command::new("settings"));
    let ids = command.get_arguments().map(|it| it.get_id().as_str());
    let mut known: Vec<_> = ids.filter(|it| *it != "config").collect();
    named.sort_unstable();
    known.sort_unstable();
    assert_eq!(named, known);
}
