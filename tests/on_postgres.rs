//! Runs the suite again, on PostgreSQL: the binary of `it`, which is built once. Cargo itself runs it on SQLite.
//!
//! It takes the arguments of any test binary, such as a part of a name, and passes them on. Where PostgreSQL is not
//! on the machine, it says that it was skipped. `SHAREHUB_TEST_ENGINE=sqlite` or `postgres` keeps `cargo test` to one
//! engine.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    unreachable_pub,
    reason = "it may fail loudly, and shares a file"
)]
#[path = "it/support/binaries.rs"]
mod binaries;

use std::{
    env,
    ffi::OsString,
    path::PathBuf,
    process::{Command, ExitCode, Stdio},
};

const ENGINE: &str = "SHAREHUB_TEST_ENGINE";
/// The only tests that the suite ignores: it runs on SQLite, unless it is told otherwise.
const IGNORED: [&str; 2] = ["--ignored", "--include-ignored"];

fn main() -> ExitCode {
    let chosen = binaries::variable(ENGINE);
    let is_chosen = chosen.as_ref().is_some_and(|it| it == "postgres");
    if chosen.is_some() && !is_chosen {
        say("PostgreSQL: not run, since SHAREHUB_TEST_ENGINE names another engine");
        return ExitCode::SUCCESS;
    }
    if binaries::variable("SHAREHUB_TEST_POSTGRES").is_none() && binaries::found().is_none() {
        say("PostgreSQL: SKIPPED, initdb and postgres are not on this machine");
        return ExitCode::SUCCESS;
    }
    let mut arguments: Vec<OsString> = env::args_os().skip(1).collect();
    if !arguments.iter().any(|it| IGNORED.iter().any(|ignored| it == ignored)) {
        // Where the variable names PostgreSQL, cargo has run the suite on it, but for what it ignores.
        arguments.push(IGNORED[usize::from(!is_chosen)].into());
    }
    arguments.extend(["--skip", "db::sqlite::"].map(OsString::from));
    say("The suite again, on PostgreSQL, but for the tests of SQLite's own files (`db::sqlite`)");
    let mut suite = Command::new(suite());
    let status = suite.args(arguments).env(ENGINE, "postgres").status().unwrap();
    match status.success() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

fn say(line: &str) {
    println!("\n{line}");
}

/// Where cargo has put the suite; it builds it when only this target was asked for.
fn suite() -> PathBuf {
    let own = env::current_exe().unwrap();
    let profile = own.ancestors().nth(2).and_then(|it| it.file_name()).unwrap().to_str().unwrap();
    // The folder of the profile `dev` has a name of its own.
    let profile = if profile == "debug" { "dev" } else { profile };
    let mut cargo = Command::new(binaries::variable("CARGO").unwrap_or("cargo".into()));
    cargo.args(["test", "--quiet", "--no-run", "--test", "it", "--message-format", "json"]);
    cargo.args(["--profile", profile]).current_dir(env!("CARGO_MANIFEST_DIR"));
    let told = cargo.stderr(Stdio::inherit()).output().unwrap();
    let suite = told.stdout.split(|it| *it == b'\n').find_map(|line| {
        let line: serde_json::Value = serde_json::from_slice(line).ok()?;
        let is_suite = line["target"]["name"] == "it";
        line["executable"].as_str().filter(|_| is_suite).map(PathBuf::from)
    });
    suite.expect("cargo builds the suite")
}
