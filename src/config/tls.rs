//! The settings of TLS.
use std::path::PathBuf;

use clap::{ArgAction, Args};

use super::{
    alone,
    check::{self, Maybe, maybe},
};
use crate::{bad_config::BadConfig, server::tls::Files};

/// What the hub shows of itself, and whose certificates it accepts.
#[derive(Clone, Debug, Args)]
pub struct TlsSettings {
    /// The hub's certificate, and those between it and its CA (PEM); plain text without.
    #[arg(long, env = "SHAREHUB_TLS_CERT", default_value = "", hide_default_value = true)]
    #[arg(value_parser = maybe(check::path))]
    pub tls_cert: Maybe<PathBuf>,
    /// Its private key (PEM).
    #[arg(long, env = "SHAREHUB_TLS_KEY", default_value = "", hide_default_value = true)]
    #[arg(value_parser = maybe(check::path))]
    pub tls_key: Maybe<PathBuf>,
    /// The CAs whose certificates systems may show (PEM); none are asked for without.
    #[arg(long, env = "SHAREHUB_TLS_CLIENT_CA", default_value = "", hide_default_value = true)]
    #[arg(value_parser = maybe(check::path))]
    pub tls_client_ca: Maybe<PathBuf>,
    /// What these CAs have revoked (PEM): a list of each one of them.
    #[arg(long, env = "SHAREHUB_TLS_CLIENT_CRL", default_value = "", hide_default_value = true)]
    #[arg(value_parser = maybe(check::path))]
    pub tls_client_crl: Maybe<PathBuf>,
    /// Whether plain text may be served to other machines: `true` or `false`.
    #[arg(long, env = "SHAREHUB_INSECURE_PLAINTEXT", default_value = "false", value_parser = check::truth)]
    #[arg(action = ArgAction::Set, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub insecure_plaintext: bool,
}

impl TlsSettings {
    /// The files, if TLS is set: those that need one another, together. They are read later.
    pub fn files(&self) -> Result<Option<Files>, BadConfig> {
        let Self { tls_cert, tls_key, tls_client_ca, tls_client_crl, insecure_plaintext: _ } = self;
        if tls_client_crl.is_some() && tls_client_ca.is_none() {
            return Err(alone("tls_client_crl", "tls_client_ca"));
        }
        match (tls_cert, tls_key) {
            (Some(cert), Some(key)) => Ok(Some(Files {
                cert: cert.clone(),
                key: key.clone(),
                client_ca: tls_client_ca.clone(),
                client_crl: tls_client_crl.clone(),
            })),
            (Some(_), None) => Err(alone("tls_cert", "tls_key")),
            (None, Some(_)) => Err(alone("tls_key", "tls_cert")),
            (None, None) if tls_client_ca.is_some() => Err(alone("tls_client_ca", "tls_cert")),
            (None, None) => Ok(None),
        }
    }
}
