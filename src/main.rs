//! The program: reads its settings, runs one command, and exits with what became of it.
use std::{io::Write, process::ExitCode};

use sharehub::{
    cli,
    config::{Cli, Exit, Unread},
};

#[tokio::main]
async fn main() -> ExitCode {
    let Cli { command, written } = match Cli::read(std::env::args_os()) {
        Ok(cli) => cli,
        Err(Unread::Usage(err)) => {
            // Help and version are no errors, and go to standard output.
            let exit = if err.use_stderr() { Exit::Usage } else { Exit::Done };
            return err.print().map_or(ExitCode::FAILURE, |()| exit.number().into());
        }
        Err(Unread::Setting(what)) => {
            tell(&what);
            return Exit::Usage.number().into();
        }
    };
    let exit = match cli::run(command, &written).await {
        Ok(()) => Exit::Done,
        Err(err) => {
            let exit = cli::exit_of(err.as_ref());
            if exit != Exit::Done {
                tell(&written.explain(err.as_ref()));
            }
            exit
        }
    };
    exit.number().into()
}

/// Says what went wrong. Nobody may be reading it: the exit code tells too.
fn tell(what: &str) {
    drop(writeln!(std::io::stderr(), "sharehub: {what}"));
}
