//! The program: reads its configuration, runs one command, and exits with what became of it.
use std::process::ExitCode;

use clap::Parser;
use sharehub::{
    cli,
    config::{BadConfig, Cli},
};

/// The exit code for a configuration that cannot be used (`EX_USAGE`).
const USAGE: u8 = 64;

#[tokio::main]
#[expect(clippy::print_stderr, reason = "the one place that speaks before logging is set up")]
async fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(err) => {
            // Help and version are no errors, and go to standard output.
            let code = if err.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS };
            return err.print().map_or(ExitCode::FAILURE, |()| code);
        }
    };
    match cli::run(cli.command).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(err) => {
            eprintln!("sharehub: {err}");
            if err.is::<BadConfig>() { ExitCode::from(USAGE) } else { ExitCode::FAILURE }
        }
    }
}
