//! The arguments of commands that read tables from a hub, or load them into it.
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::As;

/// How numbers are written in text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Numbers {
    /// As in Viet Nam: dots part thousands, a comma begins the decimals: `10.512`, `70,96`.
    Vi,
    /// As in English: commas part thousands, a dot begins the decimals: `10,512`, `70.96`.
    En,
}

/// What a table holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TableKind {
    /// Values of indicators.
    Observations,
    /// Targets of indicators.
    Targets,
    /// Administrative units.
    Units,
    /// A pack of definitions: groups and indicators, in TOML.
    Definitions,
}

/// Loads a table, or a pack of definitions.
#[derive(Debug, Args)]
pub struct Import {
    /// What the file holds.
    pub what: TableKind,
    /// The file: .csv (UTF-8) or .xlsx; .toml for definitions.
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
    /// Of definitions: the code of the one system that may publish them, in the place of what the pack says.
    #[arg(long)]
    pub source: Option<String>,
    /// The hub, and the caller.
    #[command(flatten)]
    pub by: As,
}

/// What is read from a hub as a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Exported {
    /// Values of indicators.
    Observations,
    /// Targets of indicators.
    Targets,
    /// Dossiers, without events and without personal data.
    Dossiers,
}

/// Which part of what the hub has.
#[derive(Debug, Default, Args)]
pub struct Filter {
    /// Only these indicators, by code; all when left out.
    #[arg(long)]
    pub indicator: Vec<String>,
    /// Only these units: `805@2024-12-31`, `agency:H56.12`, `id:123`. Of dossiers, the one that received them.
    #[arg(long)]
    pub unit: Vec<String>,
    /// Of observations: this unit and all below it. Of a snapshot: the units of `--level` below it.
    #[arg(long)]
    pub below: Option<String>,
    /// Of a snapshot: units of this level below `--below`: `commune`, `district`, `province`, ...
    #[arg(long)]
    pub level: Option<String>,
    /// Of a snapshot: indicators of these groups. Of indicators: those of this group.
    #[arg(long)]
    pub group: Vec<String>,
    /// Of observations: only this period.
    #[arg(long)]
    pub period: Option<String>,
    /// Of observations: only periods that end on this day or later. Of dossiers: only those accepted on it or later.
    #[arg(long)]
    pub since: Option<String>,
    /// Of observations: only periods that end on this day or earlier. Of dossiers: only those accepted on it or
    /// earlier.
    #[arg(long)]
    pub until: Option<String>,
    /// Of observations and targets: only rows of this breakdown, `channel=online,sex=female`, or `total` for those that
    /// are not broken down. A snapshot shows this breakdown.
    #[arg(long)]
    pub breakdown: Option<String>,
    /// Of dossiers: only this procedure.
    #[arg(long)]
    pub procedure: Option<String>,
    /// Of observations and snapshots: also what other sources than the authoritative one contributed.
    #[arg(long)]
    pub all_sources: bool,
    /// As it stood at this revision; the newest when left out.
    #[arg(long)]
    pub at: Option<i64>,
}

/// Writes a table.
#[derive(Debug, Args)]
pub struct Export {
    /// What to write.
    pub what: Exported,
    /// Which part of it.
    #[command(flatten)]
    pub filter: Filter,
    /// Where to: a .csv or .xlsx file, or `-` for CSV on standard output.
    #[arg(long)]
    pub out: PathBuf,
    /// How numbers are written in CSV.
    #[arg(long, value_enum, default_value_t = Numbers::Vi)]
    pub numbers: Numbers,
    /// The hub, and the caller.
    #[command(flatten)]
    pub by: As,
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum QueryKind {
    /// Of each unit and indicator: the latest value, the one before, the target, and how fresh it is.
    Snapshot,
    /// Definitions of indicators: their codes, names and groups.
    Indicators,
    /// Values of indicators.
    Observations,
    /// Dossiers.
    Dossiers,
    /// The systems that figures come from: whose they are, when they published last, what was rejected today.
    Sources,
    /// What a source sent and the hub rejected, until it is sent right.
    Rejections,
}

/// Asks a question.
#[derive(Debug, Args)]
pub struct QueryArgs {
    /// What to ask for.
    pub what: QueryKind,
    /// Which part of it.
    #[command(flatten)]
    pub filter: Filter,
    /// Of a snapshot: the day on which it stands; today when left out.
    #[arg(long)]
    pub date: Option<String>,
    /// Of indicators: those with these words in their names, codes or descriptions, with or without tone marks.
    #[arg(long)]
    pub text: Option<String>,
    /// Of rejections: of this source, by its code, for auditors and administrators; the caller's own when left out.
    #[arg(long)]
    pub source: Option<String>,
    /// Rows, at most.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub limit: u32,
    /// Print each row as JSON, on a line of its own.
    #[arg(long)]
    pub json: bool,
    /// How numbers are written in the table.
    #[arg(long, value_enum, default_value_t = Numbers::Vi)]
    pub numbers: Numbers,
    /// The hub, and the caller.
    #[command(flatten)]
    pub by: As,
}

/// Follows changes.
#[derive(Debug, Args)]
pub struct WatchArgs {
    /// These indicators: codes, prefixes that end in `.*`, or `*`. All of them when neither these nor dossiers are
    /// asked for.
    #[arg(long)]
    pub indicator: Vec<String>,
    /// Dossiers.
    #[arg(long)]
    pub dossiers: bool,
    /// Only of these units and those below them: `805@2024-12-31`, `agency:H56.12`, `id:123`.
    #[arg(long)]
    pub unit: Vec<String>,
    /// Of indicators: only rows of this breakdown, `channel=online`, or `total` for those that are not broken down.
    #[arg(long)]
    pub breakdown: Option<String>,
    /// Where to begin: `now`, `beginning` (the state first), or a token.
    #[arg(long, default_value = "now")]
    pub from: String,
    /// A file that remembers how far this has come; a run that finds it goes on from there.
    #[arg(long)]
    pub token_file: Option<PathBuf>,
    /// Print each change as JSON.
    #[arg(long)]
    pub json: bool,
    /// How numbers are written.
    #[arg(long, value_enum, default_value_t = Numbers::Vi)]
    pub numbers: Numbers,
    /// The hub, and the caller.
    #[command(flatten)]
    pub by: As,
}
