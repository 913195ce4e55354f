//! A setting that cannot be used is named, and the nearest place wins.
use super::{Config, Knobs};

fn bad(knobs: Knobs) -> &'static str {
    knobs.read().unwrap_err().key
}

#[test]
fn a_bad_setting_is_named() {
    let some = |it: &str| Some(it.to_owned());
    assert_eq!(bad(Knobs { listen: some("here"), ..Knobs::default() }), "listen");
    assert_eq!(bad(Knobs { database_url: some("mysql://x"), ..Knobs::default() }), "database_url");
    let replica_url = some("postgres://host/x");
    assert_eq!(bad(Knobs { replica_url, ..Knobs::default() }), "replica_url");
    assert_eq!(bad(Knobs { log_format: some("xml"), ..Knobs::default() }), "log_format");
    assert_eq!(bad(Knobs { call_ms: some("0"), ..Knobs::default() }), "call_ms");
    assert_eq!(bad(Knobs { in_flight: some("many"), ..Knobs::default() }), "in_flight");
    assert_eq!(bad(Knobs { message_bytes: some("-1"), ..Knobs::default() }), "message_bytes");
    assert_eq!(bad(Knobs { otlp_endpoint: some("x"), ..Knobs::default() }), "otlp_endpoint");
    let nowhere = Knobs { config: Some("no/such/file.toml".into()), ..Knobs::default() };
    assert_eq!(bad(nowhere), "config");
}

#[test]
fn a_flag_wins_over_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("hub.toml");
    std::fs::write(&path, "listen = \"127.0.0.1:1\"\ncall_ms = 500\nin_flight = \"9\"\n").unwrap();
    let listen = Some("127.0.0.1:2".to_owned());
    let knobs = Knobs { config: Some(path.clone()), listen, ..Knobs::default() };
    let Config { listen, limits, .. } = knobs.read().unwrap();
    assert_eq!((listen.port(), limits.longest.as_millis(), limits.in_flight), (2, 500, 9));
    std::fs::write(&path, "lissten = \"127.0.0.1:1\"\n").unwrap();
    assert_eq!(bad(Knobs { config: Some(path), ..Knobs::default() }), "config");
}
