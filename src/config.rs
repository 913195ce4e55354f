//! The command line, and every setting: its name, its type, its default and its check, read once, in layers.
mod agreements;
mod caller;
mod check;
mod exit;
mod layers;
mod limits;
mod server;
mod store;
mod tables;
mod telemetry;
mod tls;
mod tokens;

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand};

pub use self::{
    agreements::{AgreementCommand, Apply, ExplainArgs, ListAgreementsArgs},
    caller::{As, Call, Target, read_file},
    exit::Exit,
    layers::{Unread, Written},
    limits::LimitSettings,
    server::Settings,
    store::{AuditKeyPlace, StorePlace, StoreSettings},
    tables::{
        Export, Exported, Filter, Import, Numbers, QueryArgs, QueryKind, TableKind, WatchArgs,
    },
    telemetry::{LogFormat, LogSettings},
    tls::TlsSettings,
    tokens::TokenSettings,
};
pub use crate::bad_config::BadConfig;

/// The command line.
#[derive(Debug, Parser)]
#[command(name = "sharehub", version, about = "A province's data-sharing hub, over gRPC.", after_help = exit::HELP)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// How the user wrote what is set.
    #[arg(skip)]
    pub written: Written,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve the hub until SIGTERM or Ctrl-C.
    #[command(mut_arg("log", |it| it.default_value("info")))]
    Serve(Settings),
    /// Serve a hub with real data in it, in a store of its own, and print calls to try.
    Demo(Settings),
    /// Ask a running hub whether it serves: exit 0 when it does, 1 when not, 4 when it cannot be reached.
    Health(Target),
    /// Call any method of a running hub with JSON messages, and print each answer as JSON as it comes.
    Call(Call),
    /// Load a table, as CSV or XLSX: checked as a whole first, and not loaded when any cell of it is wrong.
    Import(Import),
    /// Write what the hub has as a table, CSV or XLSX.
    Export(Export),
    /// Ask a running hub, and print the answer as a table.
    Query(QueryArgs),
    /// Print a line for each change, as it is committed.
    Watch(WatchArgs),
    /// Drop history older than `--keep`: move the retention floor, on record, and free its space.
    Compact(CompactArgs),
    /// Bring the units that came with an earlier release up to those of this one, in one revision. What else was
    /// published about units stays. A hub may run on the store meanwhile.
    UpdateUnits(StoreSettings),
    /// Say that a backup was restored: who follows changes then starts over, since revisions may be used again.
    Restored(StoreSettings),
    /// Keep the agreements by which data is shared.
    Agreement {
        /// What to do with agreements.
        #[command(subcommand)]
        command: AgreementCommand,
    },
    /// Print what a shell needs to complete this program's commands and options.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Certificates for trying the hub out.
    Pki {
        /// What to do with them.
        #[command(subcommand)]
        command: PkiCommand,
    },
    /// Export the audit log, check an exported one, show its key.
    Audit {
        /// What to do with the audit log.
        #[command(subcommand)]
        command: AuditCommand,
    },
    /// Keep the keys of systems.
    Key {
        /// What to do with keys.
        #[command(subcommand)]
        command: KeyCommand,
    },
    /// Keep the keys that personal data is sealed with.
    DataKeys {
        /// What to do with them.
        #[command(subcommand)]
        command: DataKeysCommand,
    },
}

/// What to do with the keys of personal data.
#[derive(Debug, Subcommand)]
pub enum DataKeysCommand {
    /// Write new keys to a file that does not exist yet.
    New(DataKeysFile),
    /// Add a key to a file, which seals from then on. Running hubs read it within seconds. Then reseal.
    Rotate(DataKeysFile),
    /// Seal anew, beside running hubs, what is sealed with older keys. Then those can be taken out of the file.
    Reseal(StoreSettings),
}

/// A file of data keys.
#[derive(Debug, Args)]
pub struct DataKeysFile {
    /// The file.
    pub file: PathBuf,
    /// The new key's id: lower-case letters, digits, dots and hyphens [default: today].
    #[arg(long)]
    pub id: Option<String>,
}

/// What to do with keys.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Issue a key for a system, straight in the store: for the first administrator, and when no one can sign in.
    Issue(IssueKey),
}

/// What to do with certificates.
#[derive(Debug, Subcommand)]
pub enum PkiCommand {
    /// Make an authority of your own, a certificate for the hub and one for each system. Run again, it goes on with the
    /// authority that it finds. Not for production: the authority's private key lies beside what it issues.
    Dev(PkiDev),
}

/// Makes certificates.
#[derive(Debug, Args)]
pub struct PkiDev {
    /// The folder to write to.
    pub dir: PathBuf,
    /// A certificate for this system, by its code.
    #[arg(long)]
    pub system: Vec<String>,
    /// A name or address by which the hub is reached, besides `localhost`, `127.0.0.1` and `::1`.
    #[arg(long)]
    pub name: Vec<String>,
    /// Revoke the certificate of this system that lies in the folder.
    #[arg(long)]
    pub revoke: Vec<String>,
}

/// What to do with the audit log.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Print the public key that checks the log: give it to those who keep checkpoints.
    Key(AuditKeyPlace),
    /// Write all of the log to a file, a JSON object on each line. A hub may run on the store meanwhile.
    Export(ExportAudit),
    /// Check an exported log, offline: exit 0 when it is sound, 1 when not. The first thing that is wrong is named.
    Verify(VerifyAudit),
}

/// Exports the audit log.
#[derive(Debug, Args)]
pub struct ExportAudit {
    /// The file; `-` for standard output.
    pub file: PathBuf,
    /// Where the store is.
    #[command(flatten)]
    pub place: StorePlace,
}

/// Checks an exported log.
#[derive(Debug, Args)]
pub struct VerifyAudit {
    /// The file; `-` for standard input.
    pub file: PathBuf,
    /// The public key of the log, or a file with it, got by another way than the file.
    #[arg(long)]
    pub key: String,
    /// A file with a checkpoint that was kept, as a publish answer or a bookmark had it. May be given more than once:
    /// the end of a log can be cut off without a trace for those who kept none.
    #[arg(long)]
    pub checkpoint: Vec<PathBuf>,
}

/// Issues a key in the store.
#[derive(Debug, Args)]
pub struct IssueKey {
    /// The system's code.
    #[arg(long)]
    pub system: String,
    /// Register the system as an administrator if it is not registered.
    #[arg(long)]
    pub administrator: bool,
    /// The store, its keys, and how to log.
    #[command(flatten)]
    pub store: StoreSettings,
}

/// How to compact.
#[derive(Debug, Args)]
pub struct CompactArgs {
    /// Everything that was known at any time since then can still be read: so many days, `400d`, or hours, `12h`.
    #[arg(long, value_parser = ago)]
    pub keep: Duration,
    /// Why, for the record.
    #[arg(long, default_value = "")]
    pub reason: String,
    /// How long reads that began before are given to end before rows are taken away: no less than any hub's `call_ms`.
    #[arg(long, value_parser = ago, default_value = "15s")]
    pub grace: Duration,
    /// The store, its keys, and how to log.
    #[command(flatten)]
    pub store: StoreSettings,
}

/// A span of time: a whole number and `d`, `h`, `m` or `s`.
fn ago(text: &str) -> Result<Duration, String> {
    let rule = || "be a whole number of days, hours, minutes or seconds, such as 400d".to_owned();
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(rule)?;
    let number: u32 = number.parse().map_err(|_| rule())?;
    let seconds = match unit {
        "d" => 86_400,
        "h" => 3_600,
        "m" => 60,
        "s" => 1,
        _ => return Err(rule()),
    };
    Ok(Duration::from_secs(u64::from(number) * seconds))
}

/// A setting that is set only together with another.
fn alone(key: &'static str, other: &str) -> BadConfig {
    BadConfig { key, must: format!("be set together with `{other}`") }
}

#[cfg(test)]
mod tests;
