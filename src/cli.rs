//! The commands of the program, and where each is done.
mod call;
mod client;
mod columns;
mod import;
mod progress;
mod serve;
mod table;
mod words;

use std::{
    error::Error as StdError,
    io::{ErrorKind, Write},
};

pub use self::words::Numbers;
use crate::config::{Command, KeyCommand};

type Outcome<T = ()> = Result<T, Box<dyn StdError>>;

/// Runs one command.
pub async fn run(command: Command) -> Outcome {
    match command {
        Command::Serve(knobs) => serve::serve(knobs).await,
        Command::Demo(knobs) => serve::demo(knobs).await,
        Command::Health(target) => client::health(target).await,
        Command::Call(asked) => call::call(asked).await,
        Command::Import(asked) => import::import(asked).await,
        Command::Compact(asked) => serve::compact(asked).await,
        Command::Restored(knobs) => serve::restored(knobs).await,
        Command::Key { command: KeyCommand::Issue(issue) } => serve::issue_key(issue).await,
    }
}

/// Writes a line to standard output. Whoever reads it may have read enough: `sharehub call ... | head` is no failure.
fn say(line: &str) -> Outcome {
    match writeln!(std::io::stdout(), "{line}") {
        Err(err) if err.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => Ok(written?),
    }
}
