//! Credentials: a key, a client certificate, or a token. A credential names a system and carries no rights.
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::{SystemCode, refusals::Cause};
use crate::time::Timestamp;

/// Prefix of the one URI among a certificate's subject alternative names that names its system, such as
/// `urn:sharehub:system:ioc`.
pub const URI: &str = "urn:sharehub:system:";

/// The credential that a caller showed. Cheap to clone.
#[derive(Clone, Debug)]
pub enum Credential {
    /// None: the hub itself, in tasks that nobody asked for.
    Internal,
    /// A key, by its id.
    Key(Arc<str>),
    /// A client certificate.
    Certificate(Arc<Certificate>),
    /// A token of the configured issuer.
    Token(Arc<Token>),
}

impl Credential {
    /// Whether it is a client certificate, or the hub itself: without one, no personal data leaves.
    pub fn is_certificate(&self) -> bool {
        match self {
            Self::Internal | Self::Certificate(_) => true,
            Self::Key(_) | Self::Token(_) => false,
        }
    }

    /// Its kind, in a word: `own`, `key`, `certificate` or `token`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Internal => "own",
            Self::Key(_) => "key",
            Self::Certificate(_) => "certificate",
            Self::Token(_) => "token",
        }
    }

    /// Its identity among its kind: the id of a key, the fingerprint of a certificate, the id of a token (its `jti`;
    /// empty when it has none).
    pub fn id(&self) -> &str {
        match self {
            Self::Internal => "",
            Self::Key(id) => id,
            Self::Certificate(it) => &it.fingerprint,
            Self::Token(it) => &it.id,
        }
    }
}

/// A client certificate that was verified when its connection was made.
#[derive(Debug)]
pub struct Certificate {
    /// The system that it names.
    pub system: SystemCode,
    /// SHA-256 of the whole certificate, in lower-case hexadecimal digits.
    pub fingerprint: String,
    /// When it expires.
    pub not_after: Timestamp,
    ended: AtomicBool,
}

impl Certificate {
    /// Reads one from DER. The TLS handshake decides whether to trust it.
    pub fn read(der: &[u8]) -> Result<Self, Cause> {
        let (_, read) = X509Certificate::from_der(der).map_err(|_| Cause::CertificateUnreadable)?;
        let names = read.subject_alternative_name().map_err(|_| Cause::CertificateUnreadable)?;
        let mut uris = names
            .into_iter()
            .flat_map(|it| &it.value.general_names)
            .filter_map(|it| if let GeneralName::URI(uri) = it { Some(*uri) } else { None });
        let (Some(uri), None) = (uris.next(), uris.next()) else {
            return Err(Cause::CertificateNamesNobody);
        };
        let system = uri.strip_prefix(URI).and_then(|it| SystemCode::parse(it).ok());
        let system = system.ok_or(Cause::CertificateNamesNobody)?;
        let fingerprint = Sha256::digest(der).iter().map(|it| format!("{it:02x}")).collect();
        let not_after = read.validity().not_after.timestamp().saturating_mul(1_000_000);
        let not_after = Timestamp::from_micros(not_after);
        Ok(Self { system, fingerprint, not_after, ended: AtomicBool::new(false) })
    }

    /// Whether it is accepted at an instant.
    pub fn lives(&self, at: Timestamp) -> bool {
        !self.ended.load(Ordering::Acquire) && at <= self.not_after
    }

    /// Refuses it from now on: it was revoked, or its CA is no longer trusted.
    pub fn end(&self) {
        self.ended.store(true, Ordering::Release);
    }
}

/// A token that was verified when its call was made.
#[derive(Debug)]
pub struct Token {
    /// The system that it names, by its subject.
    pub system: SystemCode,
    /// Its `jti`, or empty.
    pub id: String,
    /// When it expires.
    pub expires_at: Timestamp,
}
