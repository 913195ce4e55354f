//! Tokens (JWT) of one configured issuer: one pinned algorithm, every claim demanded, keys from a file.
use std::{path::PathBuf, sync::RwLock};

use jsonwebtoken::{
    Algorithm, AlgorithmFamily, DecodingKey, Validation, decode, decode_header, errors::ErrorKind,
    jwk::JwkSet,
};
use serde::Deserialize;

use super::{SystemCode, credential::Token, refusals::Cause};
use crate::{
    bad_config::{BadConfig, read_file},
    time::Timestamp,
};

/// Clock skew allowed to the issuer, in seconds.
const LEEWAY: u64 = 30;
/// Longest life of a token, from `nbf` to `exp`, in seconds: a token cannot be revoked.
const LONGEST: u64 = 900;
/// Longest token, in bytes.
const MOST: usize = 4 * 1024;
/// Algorithms that can be pinned. All are asymmetric: a verifier cannot sign.
pub const ALGORITHMS: [(&str, Algorithm); 4] = [
    ("ES256", Algorithm::ES256),
    ("EdDSA", Algorithm::EdDSA),
    ("RS256", Algorithm::RS256),
    ("PS256", Algorithm::PS256),
];

/// The issuer of tokens, as configured.
#[derive(Clone, Debug)]
pub struct IssuerSettings {
    /// Required `iss`.
    pub issuer: String,
    /// Required `aud`, alone or among others.
    pub audience: String,
    /// The one algorithm.
    pub algorithm: Algorithm,
    /// The issuer's public keys: a JWK set, or one key in PEM.
    pub keys: PathBuf,
}

impl IssuerSettings {
    /// Reads the keys, and checks them.
    pub fn load(&self) -> Result<Issuer, BadConfig> {
        let file = read_file("token_keys", &self.keys)?;
        Issuer::new(self, &file)
    }
}

/// An issuer with its current keys.
pub struct Issuer {
    validation: Validation,
    keys: Vec<(Option<String>, DecodingKey)>,
}

impl std::fmt::Debug for Issuer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Issuer").field("keys", &self.keys.len()).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    nbf: u64,
    exp: u64,
    #[serde(default)]
    jti: String,
}

impl Issuer {
    /// With the keys in this file.
    pub fn new(settings: &IssuerSettings, file: &[u8]) -> Result<Self, BadConfig> {
        let IssuerSettings { issuer, audience, algorithm, keys: _ } = settings;
        let mut validation = Validation::new(*algorithm);
        validation.leeway = LEEWAY;
        validation.validate_nbf = true;
        // The library checks these claims only where they are present, unless it is told to require them.
        validation.set_required_spec_claims(&["exp", "nbf", "iss", "aud", "sub"]);
        validation.set_issuer(&[issuer]);
        validation.set_audience(&[audience]);
        Ok(Self { validation, keys: keys(*algorithm, file)? })
    }

    /// Verifies a token, and returns it with the system that it names.
    pub fn read(&self, text: &str) -> Result<Token, Cause> {
        if text.len() > MOST {
            return Err(Cause::Malformed);
        }
        let header = decode_header(text).map_err(|_| Cause::Malformed)?;
        // `kid` only picks among the configured keys: a token must not say where to find others.
        let key = match (self.keys.as_slice(), header.kid.as_deref()) {
            ([(None, only)], _) | ([(_, only)], None) => Some(only),
            (keys, kid) => {
                let mut named = keys.iter().filter(|(it, _)| kid.is_some() && it.as_deref() == kid);
                named.next().map(|(_, key)| key)
            }
        };
        let key = key.ok_or(Cause::TokenSignature)?;
        let token =
            decode::<Claims>(text, key, &self.validation).map_err(|err| cause(err.kind()))?;
        let Claims { sub, nbf, exp, jti } = token.claims;
        if exp.saturating_sub(nbf) > LONGEST || jti.len() > 128 {
            return Err(Cause::TokenClaim);
        }
        let system = SystemCode::parse(&sub).map_err(|_| Cause::TokenClaim)?;
        let until = i64::try_from(exp.saturating_add(LEEWAY)).map_err(|_| Cause::TokenClaim)?;
        let expires_at = Timestamp::from_micros(until.saturating_mul(1_000_000));
        Ok(Token { system, id: jti, expires_at })
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "a foreign enum that grows")]
fn cause(kind: &ErrorKind) -> Cause {
    match kind {
        ErrorKind::InvalidAlgorithm => Cause::TokenAlgorithm,
        ErrorKind::InvalidSignature => Cause::TokenSignature,
        ErrorKind::ExpiredSignature => Cause::TokenExpired,
        ErrorKind::ImmatureSignature => Cause::TokenNotYetValid,
        ErrorKind::MissingRequiredClaim(_)
        | ErrorKind::InvalidClaimFormat(_)
        | ErrorKind::InvalidIssuer
        | ErrorKind::InvalidAudience
        | ErrorKind::InvalidSubject
        | ErrorKind::Json(_) => Cause::TokenClaim,
        _ => Cause::Malformed,
    }
}

/// The keys in a file, with their ids.
fn keys(
    algorithm: Algorithm,
    file: &[u8],
) -> Result<Vec<(Option<String>, DecodingKey)>, BadConfig> {
    let bad = |must: &str| BadConfig { key: "token_keys", must: must.to_owned() };
    if !file.trim_ascii_start().starts_with(b"{") {
        let read = match algorithm.family() {
            AlgorithmFamily::Ec => DecodingKey::from_ec_pem(file),
            AlgorithmFamily::Ed => DecodingKey::from_ed_pem(file),
            AlgorithmFamily::Rsa => DecodingKey::from_rsa_pem(file),
            AlgorithmFamily::Hmac => return Err(bad("be public: a shared secret is none")),
        };
        let must = "be a JWK set, or a public key in PEM, of the algorithm in `token_algorithm`";
        return read.map(|key| vec![(None, key)]).map_err(|_| bad(must));
    }
    let set: JwkSet = serde_json::from_slice(file).map_err(|_| bad("be a JWK set"))?;
    let mut keys = Vec::new();
    for jwk in &set.keys {
        let key = DecodingKey::from_jwk(jwk).map_err(|_| bad("hold keys of known kinds only"))?;
        let says = jwk.common.key_algorithm.is_none_or(|it| it.to_string() == spell(algorithm));
        // A set may hold keys for other uses; they are not for tokens.
        if says && key.family() == algorithm.family() {
            keys.push((jwk.common.key_id.clone(), key));
        }
    }
    let mut ids: Vec<_> = keys.iter().map(|(id, _)| id).collect();
    ids.sort();
    ids.dedup();
    match keys.len() {
        0 => Err(bad("hold a key of the algorithm in `token_algorithm`")),
        some if ids.len() < some => Err(bad("give each key an id of its own (`kid`)")),
        _ => Ok(keys),
    }
}

fn spell(algorithm: Algorithm) -> &'static str {
    ALGORITHMS.iter().find(|(_, it)| *it == algorithm).map_or("", |(name, _)| name)
}

/// The issuer whose tokens are accepted, if there is one; it changes when its keys do.
#[derive(Debug, Default)]
pub struct Tokens(RwLock<Option<Issuer>>);

impl Tokens {
    /// Accepts the tokens of this issuer, and of no other.
    pub fn accept(&self, issuer: Issuer) {
        *self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(issuer);
    }

    /// Verifies a token, and returns it with the system that it names.
    pub fn read(&self, text: &str) -> Result<Token, Cause> {
        let issuer = self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        issuer.as_ref().ok_or(Cause::Malformed)?.read(text)
    }
}
