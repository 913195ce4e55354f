//! Tokens of a configured issuer: which one names a system, and that every other one is refused and counted.
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519};
use serde_json::{Value, json};
use sharehub::{
    caller::{
        refusals::Cause,
        token::{Issuer, IssuerSettings},
    },
    pb,
};
use tonic::Code;

use crate::support::{
    client::{all_indicators, refusal},
    hub::{Hub, who},
};

/// An issuer's key, as the issuer has it and as it publishes it.
struct Signs {
    private: EncodingKey,
    public: String,
    raw: Vec<u8>,
}

impl Signs {
    fn ed() -> Self {
        let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let private = EncodingKey::from_ed_pem(key.serialize_pem().as_bytes()).unwrap();
        Self { private, public: key.public_key_pem(), raw: key.public_key_raw().to_vec() }
    }

    fn ec() -> Self {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let private = EncodingKey::from_ec_pem(key.serialize_pem().as_bytes()).unwrap();
        Self { private, public: key.public_key_pem(), raw: key.public_key_raw().to_vec() }
    }

    /// As a member of a JWK set.
    fn jwk(&self, kid: &str) -> Value {
        match self.raw.as_slice() {
            // An uncompressed point.
            [4, point @ ..] if point.len() == 64 => json!({
                "kty": "EC", "crv": "P-256", "alg": "ES256", "kid": kid,
                "x": B64.encode(&point[..32]), "y": B64.encode(&point[32..]),
            }),
            x => json!({
                "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "kid": kid, "x": B64.encode(x),
            }),
        }
    }
}

fn settings(algorithm: Algorithm) -> IssuerSettings {
    IssuerSettings {
        issuer: "https://issuer.example".to_owned(),
        audience: "sharehub".to_owned(),
        algorithm,
        keys: "unused".into(),
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// The claims of a good token.
fn claims() -> Value {
    json!({
        "iss": "https://issuer.example", "aud": "sharehub", "sub": "ioc", "jti": "one",
        "nbf": now() - 5, "exp": now() + 300,
    })
}

fn with(claim: &str, value: impl Into<Value>) -> Value {
    let mut claims = claims();
    claims[claim] = value.into();
    claims
}

fn without(claim: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(claim);
    claims
}

fn sign(signs: &Signs, header: &Header, claims: &Value) -> String {
    encode(header, claims, &signs.private).unwrap()
}

#[tokio::test]
async fn a_token_names_a_system() {
    let hub = Hub::start().await;
    hub.register("ioc", all_indicators()).await;
    let (own, ed) = (Signs::ed(), Header::new(Algorithm::EdDSA));
    // Without a configured issuer, no token is anything.
    let good = sign(&own, &ed, &claims());
    refusal(who(&hub.as_(&good)).await);
    assert_eq!(hub.access.refusals.count(Cause::Malformed), 1);
    let issuer = Issuer::new(&settings(Algorithm::EdDSA), own.public.as_bytes()).unwrap();
    hub.access.tokens.accept(issuer);
    let (code, credential) = who(&hub.as_(&good)).await.unwrap();
    assert_eq!((code.as_str(), credential.kind()), ("ioc", pb::CredentialKind::Token));
    assert_eq!(credential.id, "one");
    let audiences = sign(&own, &ed, &with("aud", json!(["another", "sharehub"])));
    who(&hub.as_(&audiences)).await.unwrap();
}

#[tokio::test]
async fn every_other_token_is_refused_and_counted() {
    let hub = Hub::start().await;
    hub.register("ioc", all_indicators()).await;
    let (own, other, ec) = (Signs::ed(), Signs::ed(), Signs::ec());
    let ed = Header::new(Algorithm::EdDSA);
    let issuer = Issuer::new(&settings(Algorithm::EdDSA), own.public.as_bytes()).unwrap();
    hub.access.tokens.accept(issuer);
    let good = sign(&own, &ed, &claims());
    let own_ = |claims: Value| sign(&own, &ed, &claims);
    let hmac = EncodingKey::from_secret(own.public.as_bytes());
    let with_header = |change: fn(&mut Header)| {
        let mut header = ed.clone();
        change(&mut header);
        header
    };
    let parts: Vec<_> = good.split('.').collect();
    let none = { format!("{}.{}.", B64.encode(r#"{"alg":"none","typ":"JWT"}"#), parts[1]) };
    let swapped = format!(
        "{}.{}.{}",
        parts[0],
        own_(with("sub", "admin")).split('.').nth(1).unwrap(),
        parts[2]
    );
    let rows = [
        (
            "the public key as a secret",
            encode(&Header::new(Algorithm::HS256), &claims(), &hmac).unwrap(),
            Cause::TokenAlgorithm,
        ),
        (
            "another algorithm",
            sign(&ec, &Header::new(Algorithm::ES256), &claims()),
            Cause::TokenAlgorithm,
        ),
        ("no algorithm", none, Cause::Malformed),
        ("another key", sign(&other, &ed, &claims()), Cause::TokenSignature),
        (
            "another key, with a place to find it",
            sign(
                &other,
                &with_header(|it| it.jku = Some("https://evil.example".to_owned())),
                &claims(),
            ),
            Cause::TokenSignature,
        ),
        ("other claims under the signature", swapped, Cause::TokenSignature),
        ("expired", own_(with("exp", now() - 40)), Cause::TokenExpired),
        ("not yet valid", own_(with("nbf", now() + 100)), Cause::TokenNotYetValid),
        ("too long-lived", own_(with("exp", now() + 1_000)), Cause::TokenClaim),
        ("no exp", own_(without("exp")), Cause::TokenClaim),
        ("no nbf", own_(without("nbf")), Cause::TokenClaim),
        ("no iss", own_(without("iss")), Cause::TokenClaim),
        ("no aud", own_(without("aud")), Cause::TokenClaim),
        ("no sub", own_(without("sub")), Cause::TokenClaim),
        ("another issuer", own_(with("iss", "https://issuer.example.evil")), Cause::TokenClaim),
        ("another audience", own_(with("aud", "another")), Cause::TokenClaim),
        ("no code", own_(with("sub", "IOC!")), Cause::TokenClaim),
        ("a system that is not registered", own_(with("sub", "nobody")), Cause::SystemUnknown),
        ("exp that is no number", own_(with("exp", "tomorrow")), Cause::TokenClaim),
        ("oversized", own_(with("sub", "a".repeat(5_000))), Cause::Malformed),
        ("half", good[..good.len() / 2].to_owned(), Cause::Malformed),
        ("dots", "a.b.c".to_owned(), Cause::Malformed),
    ];
    for (what, token, cause) in rows {
        let before = hub.access.refusals.count(cause);
        let began = Instant::now();
        let (code, reason, _) = refusal(who(&hub.as_(&token)).await);
        assert_eq!((code, reason.as_str()), (Code::Unauthenticated, "CALLER_UNKNOWN"), "{what}");
        assert_eq!(hub.access.refusals.count(cause), before + 1, "{what}");
        assert!(began.elapsed() < Duration::from_secs(1), "{what}");
    }
    who(&hub.as_(&good)).await.unwrap();
}

#[tokio::test]
async fn an_issuers_keys_are_picked_by_their_ids_and_change() {
    let hub = Hub::start().await;
    hub.register("ioc", all_indicators()).await;
    let (first, second, ec) = (Signs::ec(), Signs::ec(), Signs::ed());
    let settings = settings(Algorithm::ES256);
    let set = |keys: &[Value]| json!({ "keys": keys }).to_string();
    let accept =
        |file: &str| hub.access.tokens.accept(Issuer::new(&settings, file.as_bytes()).unwrap());
    let by = |signs: &Signs, kid: Option<&str>| {
        let mut header = Header::new(Algorithm::ES256);
        header.kid = kid.map(str::to_owned);
        sign(signs, &header, &claims())
    };
    let [one, two] = [first.jwk("1"), second.jwk("2")];
    // A set with a key of another kind in it.
    accept(&set(&[one.clone(), two.clone(), ec.jwk("3")]));
    let (old, new) = (hub.as_(&by(&first, Some("1"))), hub.as_(&by(&second, Some("2"))));
    who(&old).await.unwrap();
    who(&new).await.unwrap();
    for bad in [by(&first, Some("2")), by(&first, Some("4")), by(&first, None)] {
        refusal(who(&hub.as_(&bad)).await);
    }
    assert_eq!(hub.access.refusals.count(Cause::TokenSignature), 3);
    // The old key goes: what it signed is worth nothing from then on.
    accept(&set(std::slice::from_ref(&two)));
    refusal(who(&old).await);
    who(&new).await.unwrap();
    // The only key needs no id.
    who(&hub.as_(&by(&second, None))).await.unwrap();
    // Sets that cannot be used.
    let mut same = two;
    same["kid"] = "1".into();
    for bad in [set(&[]), set(&[one, same]), set(&[ec.jwk("3")]), "{}".to_owned(), "x".to_owned()] {
        assert_eq!(Issuer::new(&settings, bad.as_bytes()).unwrap_err().key, "token_keys", "{bad}");
    }
}
