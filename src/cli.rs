//! The commands of the program, and where each is done.
mod agreement;
mod audit;
mod call;
mod client;
mod columns;
mod cuts;
mod data_keys;
mod export;
mod failure;
mod filter;
mod import;
mod parse;
mod pki;
mod progress;
mod query;
mod serve;
mod table;
mod text_table;
mod watch;

use std::{
    error::Error as StdError,
    io::{ErrorKind, Write},
};

use clap::CommandFactory;
use clap_complete::Shell;

pub use self::failure::exit_of;
use crate::config::{AuditCommand, Cli, Command, DataKeysCommand, KeyCommand, PkiCommand, Written};

/// Characters of a text that a line shows, at most.
const SHOWN: usize = 320;

type CliResult<T = ()> = Result<T, Box<dyn StdError>>;

/// Runs one command.
pub async fn run(command: Command, written: &Written) -> CliResult {
    match command {
        Command::Serve(settings) => serve::serve(settings, written).await,
        Command::Demo(settings) => serve::demo(settings, written).await,
        Command::Health(target) => client::health(target).await,
        Command::Call(asked) => call::call(asked).await,
        Command::Import(asked) => import::import(asked).await,
        Command::Export(asked) => export::export(asked).await,
        Command::Query(asked) => query::query(asked).await,
        Command::Watch(asked) => watch::watch(asked).await,
        Command::Compact(asked) => serve::compact(asked).await,
        Command::Restored(store) => serve::restored(store).await,
        Command::UpdateUnits(store) => serve::update_units(store).await,
        Command::DataKeys { command } => match command {
            DataKeysCommand::New(asked) => data_keys::new(asked),
            DataKeysCommand::Rotate(asked) => data_keys::rotate(asked),
            DataKeysCommand::Reseal(store) => serve::reseal(store).await,
        },
        Command::Agreement { command } => agreement::agreement(command).await,
        Command::Completions { shell } => complete(shell),
        Command::Pki { command: PkiCommand::Dev(asked) } => pki::dev(&asked),
        Command::Audit { command: AuditCommand::Key(place) } => audit::key(&place),
        Command::Audit { command: AuditCommand::Export(asked) } => audit::export(asked).await,
        Command::Audit { command: AuditCommand::Verify(asked) } => audit::verify(&asked),
        Command::Key { command: KeyCommand::Issue(issue) } => serve::issue_key(issue).await,
    }
}

/// Prints what a shell needs to complete commands and options.
fn complete(shell: Shell) -> CliResult {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "sharehub", &mut script);
    say(String::from_utf8(script)?.trim_end())
}

/// Writes a line to standard output at once; when it is closed, the command ends there.
fn print(line: &str) -> CliResult {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).map_err(failure::unwritten)
}

/// Writes a line to standard output. Whoever reads it may have read enough: `sharehub call ... | head` is no failure.
fn say(line: &str) -> CliResult {
    match writeln!(std::io::stdout(), "{line}") {
        Err(err) if err.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => Ok(written?),
    }
}

/// Text of others, as it may be written to a terminal: on one line, not too long, without what controls the terminal.
fn clean(text: &str) -> String {
    let mut cleaned: String = text
        .chars()
        .take(SHOWN)
        .map(|it| match it {
            '\n' | '\t' => ' ',
            it if it.is_control() => '\u{fffd}',
            it => it,
        })
        .collect();
    if text.chars().count() > SHOWN {
        cleaned.push_str("...");
    }
    cleaned
}
