//! The settings of a hub that serves.
use std::{error::Error, net::SocketAddr};

use clap::Args;

use super::{
    LimitSettings, StoreSettings, TlsSettings, TokenSettings,
    check::{self, Maybe, maybe},
};
use crate::{
    bad_config::BadConfig, caller::token, db::Options, limits::Limits, server::tls::Files,
};

/// Every setting.
#[derive(Clone, Debug, Args)]
pub struct Settings {
    /// The store, its keys, and how to log.
    #[command(flatten)]
    pub store: StoreSettings,
    /// A streaming standby of a PostgreSQL store: it answers reads at revisions that it has reached; none when empty.
    #[arg(
        long,
        env = "SHAREHUB_REPLICA_URL",
        hide_env_values = true,
        default_value = "",
        hide_default_value = true
    )]
    #[arg(value_parser = maybe(check::standby))]
    pub replica_url: Maybe<String>,
    /// Address to listen on.
    #[arg(long, env = "SHAREHUB_LISTEN", default_value = "127.0.0.1:50051", value_parser = check::address)]
    pub listen: SocketAddr,
    /// Address of health with its watches and of `GET /healthz` and `/readyz`, in plain text, for operators; none when
    /// empty.
    #[arg(long, env = "SHAREHUB_ADMIN_LISTEN", default_value = "127.0.0.1:50060")]
    #[arg(value_parser = maybe(check::address))]
    pub admin_listen: Maybe<SocketAddr>,
    /// What the hub shows of itself, and whose certificates it accepts.
    #[command(flatten)]
    pub tls: TlsSettings,
    /// Whose tokens it accepts.
    #[command(flatten)]
    pub tokens: TokenSettings,
    /// What it allows.
    #[command(flatten)]
    pub limits: LimitSettings,
    /// Where to send spans and metrics by OTLP over gRPC, such as `http://127.0.0.1:4317`; none are sent when empty.
    #[arg(long, env = "SHAREHUB_OTLP_ENDPOINT", default_value = "", hide_default_value = true)]
    #[arg(value_parser = maybe(check::url))]
    pub otlp_endpoint: Maybe<String>,
}

impl Settings {
    /// Checks what one setting asks of another.
    pub fn check(&self) -> Result<(), BadConfig> {
        let files = self.files()?;
        self.issuer()?;
        let Self {
            store,
            replica_url,
            listen,
            admin_listen: _,
            tls,
            tokens: _,
            limits: _,
            otlp_endpoint: _,
        } = self;
        if files.is_none() && !listen.ip().is_loopback() && !tls.insecure_plaintext {
            let must = "be an address of this machine only (127.0.0.1), unless `tls_cert` is set; behind something \
                        that speaks TLS, `insecure_plaintext` allows plain text";
            return Err(BadConfig { key: "listen", must: must.to_owned() });
        }
        if replica_url.is_some() && !check::is_postgres(store.url()) {
            let must = "be left out, unless `database_url` is a store on PostgreSQL".to_owned();
            return Err(BadConfig { key: "replica_url", must });
        }
        Ok(())
    }

    /// The files of TLS; plain text without.
    pub fn files(&self) -> Result<Option<Files>, BadConfig> {
        self.tls.files()
    }

    /// Whose tokens are accepted.
    pub fn issuer(&self) -> Result<Option<token::IssuerSettings>, BadConfig> {
        self.tokens.issuer()
    }

    /// What is too large, too long or too many.
    pub fn limits(&self) -> Limits {
        self.limits.into()
    }

    /// The store, as it is opened.
    pub fn options(&self) -> Result<Options, Box<dyn Error>> {
        let options = self.store.options(&self.limits())?;
        Ok(Options { replica_url: self.replica_url.clone(), ..options })
    }
}
