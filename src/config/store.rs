//! The settings of a store: where it is, and the keys that belong to it.
use std::{error::Error, path::PathBuf};

use clap::Args;

use super::{
    LogSettings,
    check::{self, Maybe, maybe},
};
use crate::{
    bad_config::BadConfig,
    db::Options,
    limits::Limits,
    personal::vault::{self, DataKeys, Vault},
};

/// Where the store is.
#[derive(Clone, Debug, Args)]
pub struct StorePlace {
    /// A TOML file with any of the settings of `serve`, under the flags' names with underscores.
    #[arg(long, env = "SHAREHUB_CONFIG")]
    pub config: Option<PathBuf>,
    /// The store: `sqlite://PATH` or `postgres://...`.
    #[arg(
        long,
        env = "SHAREHUB_DATABASE_URL",
        hide_env_values = true,
        default_value = "sqlite://sharehub.db"
    )]
    #[arg(value_parser = check::store)]
    pub database_url: String,
}

/// The store, and the key of its audit log.
#[derive(Clone, Debug, Args)]
pub struct AuditKeyPlace {
    /// Where the store is.
    #[command(flatten)]
    pub place: StorePlace,
    /// The private key that signs checkpoints of the audit log, PKCS #8 in PEM; made when there is none. Hubs on one
    /// store share it [default: beside an SQLite store, `PATH.audit-key`, else `sharehub.audit-key`].
    #[arg(long, env = "SHAREHUB_AUDIT_KEY", default_value = "", hide_default_value = true)]
    #[arg(value_parser = maybe(check::file_to_make))]
    pub audit_key: Maybe<PathBuf>,
}

/// The store, its keys, and how to log.
#[derive(Clone, Debug, Args)]
pub struct StoreSettings {
    /// The store, and the key of its audit log.
    #[command(flatten)]
    pub audit: AuditKeyPlace,
    /// The keys of personal data: a file of `sharehub data-keys new`, or its text, which begins with `current =`
    /// [default: a file that is made beside an SQLite store; none for PostgreSQL, and then no personal data is kept].
    #[arg(
        long,
        env = "SHAREHUB_DATA_KEYS",
        hide_env_values = true,
        default_value = "",
        hide_default_value = true
    )]
    #[arg(value_parser = maybe(check::data_keys))]
    pub data_keys: Maybe<Vault>,
    /// How to log.
    #[command(flatten)]
    pub log: LogSettings,
}

impl StorePlace {
    /// The file of an embedded store.
    fn path(&self) -> Option<&str> {
        let path = self.database_url.strip_prefix("sqlite:")?.trim_start_matches("//");
        Some(path.split_once('?').map_or(path, |(path, _)| path))
    }
}

impl AuditKeyPlace {
    /// Where the key of the audit log is: beside the store, if that is a file, unless it is said.
    pub fn key(&self) -> PathBuf {
        match (&self.audit_key, self.place.path()) {
            (Some(path), _) => path.clone(),
            (None, Some(path)) => PathBuf::from(format!("{path}.audit-key")),
            (None, None) => PathBuf::from("sharehub.audit-key"),
        }
    }
}

impl StoreSettings {
    /// The store's URL.
    pub fn url(&self) -> &str {
        &self.audit.place.database_url
    }

    /// The store, as it is opened: a call waits for a connection for half the time that it may take, at most.
    pub fn options(&self, limits: &Limits) -> Result<Options, Box<dyn Error>> {
        let usual = Options::new(self.url());
        let patience = usual.patience.min(limits.longest / 2);
        let vault = match &self.data_keys {
            Some(given) => given.clone(),
            None => self.keys_beside()?,
        };
        Ok(Options { patience, vault, ..usual })
    }

    /// The keys that are kept beside an SQLite store, made with it. A server's store has no such place: every hub on
    /// it must be given the same.
    fn keys_beside(&self) -> Result<Vault, Box<dyn Error>> {
        let bad = |must: String| BadConfig { key: "data_keys", must };
        let Some(path) = self.audit.place.path() else { return Ok(Vault::default()) };
        if path.is_empty() || path.contains(":memory:") {
            return Ok(Vault::new(&DataKeys::generate("first")).map_err(bad)?);
        }
        let path = PathBuf::from(format!("{path}.keys.toml"));
        if !path.exists() {
            vault::write(&path, &DataKeys::generate("first"))?;
        }
        Ok(Vault::open_file(&path).map_err(bad)?)
    }
}
