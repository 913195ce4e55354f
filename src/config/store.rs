//! The settings of commands that work on a store without serving it: no more of them than act there.
use std::path::PathBuf;

use clap::Args;

use super::Knobs;

/// Where the store is.
#[derive(Clone, Debug, Args)]
pub struct StorePlace {
    /// A TOML file with the settings of the hub that serves the store.
    #[arg(long, env = "SHAREHUB_CONFIG")]
    pub config: Option<PathBuf>,
    /// The store: `sqlite://PATH` or `postgres://...` [default: `sqlite://sharehub.db`].
    #[arg(long, env = "SHAREHUB_DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,
}

/// The store, its keys, and how to log.
#[derive(Clone, Debug, Args)]
pub struct StoreSettings {
    /// Where the store is.
    #[command(flatten)]
    pub place: StorePlace,
    /// The keys of personal data: a file of `sharehub data-keys new`, or its text [default: the file beside an SQLite store].
    #[arg(long, env = "SHAREHUB_DATA_KEYS", hide_env_values = true)]
    pub data_keys: Option<String>,
    /// The private key that signs checkpoints of the audit log [default: beside an SQLite store, `PATH.audit-key`, else
    /// `sharehub.audit-key`].
    #[arg(long, env = "SHAREHUB_AUDIT_KEY")]
    pub audit_key: Option<PathBuf>,
    /// What to log, as directives such as `info` or `sharehub=debug,info` [default: warn].
    #[arg(long, env = "SHAREHUB_LOG")]
    pub log: Option<String>,
    /// How to log: `text` or `json` [default: text].
    #[arg(long, env = "SHAREHUB_LOG_FORMAT")]
    pub log_format: Option<String>,
}

/// The store, for the key of its audit log.
#[derive(Clone, Debug, Args)]
pub struct AuditKeyPlace {
    /// Where the store is.
    #[command(flatten)]
    pub place: StorePlace,
    /// The private key that signs checkpoints of the audit log [default: beside an SQLite store, `PATH.audit-key`, else
    /// `sharehub.audit-key`].
    #[arg(long, env = "SHAREHUB_AUDIT_KEY")]
    pub audit_key: Option<PathBuf>,
}

impl From<StorePlace> for Knobs {
    fn from(place: StorePlace) -> Self {
        let StorePlace { config, database_url } = place;
        // Such a command prints its own outcome.
        let log = Some("warn".to_owned());
        // It listens nowhere, so it does not matter whether the hub may listen where the file says.
        let listen = Some("127.0.0.1:0".to_owned());
        Self { config, database_url, log, listen, ..Self::default() }
    }
}

impl From<StoreSettings> for Knobs {
    fn from(settings: StoreSettings) -> Self {
        let StoreSettings { place, data_keys, audit_key, log, log_format } = settings;
        let place = Self::from(place);
        Self { data_keys, audit_key, log: log.or(place.log.clone()), log_format, ..place }
    }
}

impl From<AuditKeyPlace> for Knobs {
    fn from(place: AuditKeyPlace) -> Self {
        let AuditKeyPlace { place, audit_key } = place;
        Self { audit_key, ..Self::from(place) }
    }
}
