//! The program: reads its configuration, runs one command, and exits with what became of it.
use std::{io::Write, process::ExitCode};

use clap::Parser;
use sharehub::{
    cli,
    config::{Cli, Exit},
};

#[tokio::main]
async fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(err) => {
            // Help and version are no errors, and go to standard output.
            let exit = if err.use_stderr() { Exit::Usage } else { Exit::Done };
            return err.print().map_or(ExitCode::FAILURE, |()| exit.number().into());
        }
    };
    let exit = match cli::run(cli.command).await {
        Ok(()) => Exit::Done,
        Err(err) => {
            let exit = cli::exit_of(err.as_ref());
            if exit != Exit::Done {
                // Nobody may be reading it: the exit code tells.
                drop(writeln!(std::io::stderr(), "sharehub: {err}"));
            }
            exit
        }
    };
    exit.number().into()
}
