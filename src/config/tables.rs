//! The arguments of commands that read tables from a hub, or load them into it.
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::As;
use crate::cli::Numbers;

/// What a table holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Loaded {
    /// Values of indicators.
    Observations,
    /// Targets of indicators.
    Targets,
    /// Administrative units.
    Units,
}

/// Loads a table.
#[derive(Debug, Args)]
pub struct Import {
    /// What the table holds.
    pub what: Loaded,
    /// The file: .csv (UTF-8) or .xlsx.
    pub file: PathBuf,
    /// The sheet of a workbook; the only one with such a table when left out.
    #[arg(long)]
    pub sheet: Option<String>,
    /// Check everything, load nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// How numbers and dates are written where a cell is text.
    #[arg(long, value_enum, default_value_t = Numbers::Vi)]
    pub numbers: Numbers,
    /// The hub, and the caller.
    #[command(flatten)]
    pub by: As,
}
