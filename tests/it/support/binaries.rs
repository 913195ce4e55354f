//! Where PostgreSQL is on this machine. It is also a part of `on_postgres`, and knows nothing of the rest.
use std::{env, ffi::OsString, fs, path::PathBuf};

/// The folder of `initdb` and `postgres`; of the newest version, where Debian keeps several.
pub fn found() -> Option<PathBuf> {
    let debian = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut places: Vec<_> = debian.map(|it| it.path().join("bin")).collect();
    places.sort();
    places.reverse();
    places.extend(env::split_paths(&variable("PATH").unwrap_or_default()));
    places.into_iter().find(|it| it.join("initdb").is_file() && it.join("postgres").is_file())
}

/// A variable of the environment.
pub fn variable(name: &str) -> Option<OsString> {
    env::vars_os().find(|(key, _)| key == name).map(|(_, it)| it)
}
