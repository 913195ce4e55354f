//! The settings by which systems are identified: TLS, and the issuer of tokens.
use std::path::PathBuf;

use super::{BadConfig, Knobs};
use crate::{
    caller::token::{self, ALGORITHMS},
    server::tls,
};

/// The flag, or else what the file says.
fn either<T: Clone>(flag: &Option<T>, file: &Option<T>) -> Option<T> {
    flag.clone().or_else(|| file.clone())
}

/// What is set only together with something else.
fn alone(key: &'static str, other: &str) -> BadConfig {
    BadConfig { key, must: format!("be set together with `{other}`") }
}

/// TLS, if it is set. Its files are read later.
pub(super) fn tls(flags: &Knobs, file: &Knobs) -> Result<Option<tls::Files>, BadConfig> {
    let path = |it: Option<PathBuf>| it.filter(|it| !it.as_os_str().is_empty());
    let cert = path(either(&flags.tls_cert, &file.tls_cert));
    let key = path(either(&flags.tls_key, &file.tls_key));
    let client_ca = path(either(&flags.tls_client_ca, &file.tls_client_ca));
    let client_crl = path(either(&flags.tls_client_crl, &file.tls_client_crl));
    if client_crl.is_some() && client_ca.is_none() {
        return Err(alone("tls_client_crl", "tls_client_ca"));
    }
    match (cert, key) {
        (Some(cert), Some(key)) => Ok(Some(tls::Files { cert, key, client_ca, client_crl })),
        (Some(_), None) => Err(alone("tls_cert", "tls_key")),
        (None, Some(_)) => Err(alone("tls_key", "tls_cert")),
        (None, None) if client_ca.is_some() => Err(alone("tls_client_ca", "tls_cert")),
        (None, None) => Ok(None),
    }
}

/// Whether plain text may be served to other machines.
pub(super) fn insecure_plaintext(flags: &Knobs, file: &Knobs) -> Result<bool, BadConfig> {
    match either(&flags.insecure_plaintext, &file.insecure_plaintext).as_deref() {
        None | Some("" | "false") => Ok(false),
        Some("true") => Ok(true),
        Some(other) => {
            let must = format!("be `true` or `false`, not `{other}`");
            Err(BadConfig { key: "insecure_plaintext", must })
        }
    }
}

/// The issuer of tokens, if it is set: all four settings, or none.
pub(super) fn tokens(flags: &Knobs, file: &Knobs) -> Result<Option<token::Settings>, BadConfig> {
    let text = |it: Option<String>| it.filter(|it| !it.is_empty());
    let issuer = text(either(&flags.token_issuer, &file.token_issuer));
    let audience = text(either(&flags.token_audience, &file.token_audience));
    let algorithm = text(either(&flags.token_algorithm, &file.token_algorithm));
    let keys = either(&flags.token_keys, &file.token_keys).filter(|it| !it.as_os_str().is_empty());
    let algorithm = match algorithm {
        None => None,
        Some(named) => {
            let known = ALGORITHMS.iter().find(|(name, _)| *name == named);
            let (_, it) = known.ok_or_else(|| {
                let names = ALGORITHMS.map(|(name, _)| name).join(", ");
                BadConfig { key: "token_algorithm", must: format!("be one of {names}") }
            })?;
            Some(*it)
        }
    };
    let set = [
        ("token_issuer", issuer.is_some()),
        ("token_audience", audience.is_some()),
        ("token_algorithm", algorithm.is_some()),
        ("token_keys", keys.is_some()),
    ];
    let first = set.iter().find(|(_, is_set)| *is_set);
    let missing = set.iter().find(|(_, is_set)| !is_set);
    if let (Some((key, _)), Some((other, _))) = (first, missing) {
        return Err(alone(key, other));
    }
    let (Some(issuer), Some(audience), Some(algorithm), Some(keys)) =
        (issuer, audience, algorithm, keys)
    else {
        return Ok(None);
    };
    Ok(Some(token::Settings { issuer, audience, algorithm, keys }))
}
