//! The arguments of commands about agreements.
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::As;

/// What to do with agreements.
#[derive(Debug, Subcommand)]
pub enum AgreementCommand {
    /// Bring the hub's agreements to what a file says: shows the plan, asks, applies.
    Apply(Apply),
    /// List agreements: all of them to administrators, others their own.
    List(ListAgreementsArgs),
    /// Say what a call would be answered, and why; also for an agreement that is only a draft.
    Explain(ExplainArgs),
}

/// Applies a file.
#[derive(Debug, Args)]
pub struct Apply {
    /// The file, in TOML: a list of `[[agreement]]`.
    pub file: PathBuf,
    /// Apply without asking.
    #[arg(long)]
    pub yes: bool,
    /// Show the plan, and apply nothing.
    #[arg(long, conflicts_with = "yes")]
    pub plan: bool,
    /// Revoke what the file does not name, of the systems that it names.
    #[arg(long)]
    pub prune: bool,
    /// The hub, and the caller.
    #[command(flatten)]
    pub by: As,
}

/// Lists agreements.
#[derive(Debug, Args)]
pub struct ListAgreementsArgs {
    /// Only those of this system.
    #[arg(long)]
    pub system: Option<String>,
    /// Also those that were revoked or have expired.
    #[arg(long)]
    pub ended: bool,
    /// The hub, and the caller.
    #[command(flatten)]
    pub by: As,
}

/// Explains a call.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The method, such as `IndicatorService/QueryObservations`.
    pub method: String,
    /// The system that would call; the caller itself when left out.
    #[arg(long)]
    pub system: Option<String>,
    /// The purpose that the call would name.
    #[arg(long = "for")]
    pub named: Option<String>,
    /// An indicator that it would be about.
    #[arg(long)]
    pub indicator: Vec<String>,
    /// A unit that it would be about: `805@2024-12-31`, `agency:H56.12`, `id:123`.
    #[arg(long)]
    pub unit: Vec<String>,
    /// A procedure that it would be about, by its national code.
    #[arg(long)]
    pub procedure: Vec<String>,
    /// A file with one agreement that is only a draft: what would it open?
    #[arg(long)]
    pub draft: Option<PathBuf>,
    /// The hub, and the caller.
    #[command(flatten)]
    pub by: As,
}
