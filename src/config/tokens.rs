//! The settings of the issuer whose tokens are accepted.
use std::path::PathBuf;

use clap::Args;
use jsonwebtoken::Algorithm;

use super::{
    alone,
    check::{self, Maybe, maybe},
};
use crate::{bad_config::BadConfig, caller::token};

/// The issuer of tokens: all four, or none.
#[derive(Clone, Debug, Args)]
pub struct TokenSettings {
    /// The issuer (`iss`) whose tokens are accepted; none are without.
    #[arg(long, env = "SHAREHUB_TOKEN_ISSUER", default_value = "", hide_default_value = true)]
    #[arg(value_parser = maybe(check::text))]
    pub token_issuer: Maybe<String>,
    /// The audience (`aud`) that tokens must be for.
    #[arg(long, env = "SHAREHUB_TOKEN_AUDIENCE", default_value = "", hide_default_value = true)]
    #[arg(value_parser = maybe(check::text))]
    pub token_audience: Maybe<String>,
    /// The one algorithm of tokens: `ES256`, `EdDSA`, `RS256` or `PS256`.
    #[arg(long, env = "SHAREHUB_TOKEN_ALGORITHM", default_value = "", hide_default_value = true)]
    #[arg(value_parser = maybe(check::algorithm))]
    pub token_algorithm: Maybe<Algorithm>,
    /// The issuer's public keys: a JWK set, or one key in PEM.
    #[arg(long, env = "SHAREHUB_TOKEN_KEYS", default_value = "", hide_default_value = true)]
    #[arg(value_parser = maybe(check::path))]
    pub token_keys: Maybe<PathBuf>,
}

impl TokenSettings {
    /// The issuer, if it is set. Its keys are read later.
    pub fn issuer(&self) -> Result<Option<token::IssuerSettings>, BadConfig> {
        let Self { token_issuer, token_audience, token_algorithm, token_keys } = self;
        let set = [
            ("token_issuer", token_issuer.is_some()),
            ("token_audience", token_audience.is_some()),
            ("token_algorithm", token_algorithm.is_some()),
            ("token_keys", token_keys.is_some()),
        ];
        let first = set.iter().find(|(_, is_set)| *is_set);
        let missing = set.iter().find(|(_, is_set)| !is_set);
        if let (Some((key, _)), Some((other, _))) = (first, missing) {
            return Err(alone(key, other));
        }
        let (Some(issuer), Some(audience), Some(algorithm), Some(keys)) =
            (token_issuer, token_audience, token_algorithm, token_keys)
        else {
            return Ok(None);
        };
        let (issuer, audience, keys) = (issuer.clone(), audience.clone(), keys.clone());
        Ok(Some(token::IssuerSettings { issuer, audience, algorithm: *algorithm, keys }))
    }
}
