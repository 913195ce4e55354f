//! The arguments by which a command reaches a running hub, and shows who calls.
use std::path::PathBuf;

use clap::Args;

/// A running hub.
#[derive(Debug, Args)]
pub struct Target {
    /// Its address [default: `http://127.0.0.1:50051`, or `https://` with `--ca`].
    #[arg(long, env = "SHAREHUB_TARGET")]
    pub target: Option<String>,
    /// The authority that has issued the hub's certificate (PEM); for a hub that speaks TLS.
    #[arg(long, env = "SHAREHUB_CA")]
    pub ca: Option<PathBuf>,
}

impl Target {
    /// The address, or the usual one.
    pub fn url(&self) -> String {
        let usual = || match self.ca {
            Some(_) => "https://127.0.0.1:50051".to_owned(),
            None => "http://127.0.0.1:50051".to_owned(),
        };
        self.target.clone().unwrap_or_else(usual)
    }
}

/// A running hub, and who calls it.
#[derive(Debug, Args)]
pub struct As {
    /// The hub.
    #[command(flatten)]
    pub target: Target,
    /// The key of the calling system.
    #[arg(long, env = "SHAREHUB_KEY", hide_env_values = true, required_unless_present = "cert")]
    pub key: Option<String>,
    /// The certificate of the calling system (PEM).
    #[arg(long, env = "SHAREHUB_CERT", requires_all = ["cert_key", "ca"])]
    pub cert: Option<PathBuf>,
    /// Its private key (PEM).
    #[arg(long, env = "SHAREHUB_CERT_KEY", requires = "cert")]
    pub cert_key: Option<PathBuf>,
    /// What the data is used for: by which of its agreements the hub is to answer.
    #[arg(long, env = "SHAREHUB_PURPOSE")]
    pub purpose: Option<String>,
}

/// A call.
#[derive(Debug, Args)]
pub struct Call {
    /// The hub, and the caller.
    #[command(flatten)]
    pub by: As,
    /// The method, such as `IndicatorService/GetSnapshot`.
    pub method: String,
    /// The request as JSON.
    #[arg(default_value = "{}")]
    pub request: String,
}
