//! The settings of what is told about the program while it runs.
use clap::Args;

use super::check;

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// An object on each line.
    Json,
}

/// What is logged, and how. Commands that print their own outcome log warnings; `serve` logs each call.
#[derive(Clone, Debug, Args)]
pub struct LogSettings {
    /// What to log, as directives such as `info` or `sharehub=debug,info`.
    #[arg(long, env = "SHAREHUB_LOG", default_value = "warn", value_parser = check::log)]
    pub log: String,
    /// How to log: `text` or `json`.
    #[arg(long, env = "SHAREHUB_LOG_FORMAT", default_value = "text", value_parser = check::log_format)]
    pub log_format: LogFormat,
}
