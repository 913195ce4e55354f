//! Refused identifications: each one is counted by its cause, and logged, in one place.
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use crate::log::AuditLog;

/// Why a peer was not accepted as a system. The peer is not told which cause it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    // === connections ===
    /// The client did not speak TLS.
    NotTls,
    /// The client offered TLS older than 1.3, or nothing that the hub supports.
    TlsIncompatible,
    /// The client did not ask for HTTP/2 by ALPN.
    NoAlpn,
    /// The handshake took too long.
    HandshakeSlow,
    /// The client disconnected, or rejected the hub's certificate.
    HandshakeBroken,
    /// The certificate cannot be read.
    CertificateUnreadable,
    /// No trusted CA issued the certificate.
    CertificateUntrusted,
    /// The certificate has expired.
    CertificateExpired,
    /// The certificate is not valid yet.
    CertificateNotYetValid,
    /// The certificate is not for clients.
    CertificateWrongUse,
    /// The certificate was revoked, or its revocation cannot be checked.
    CertificateRevoked,
    /// The certificate has no URI, several, or one that is no system's.
    CertificateNamesNobody,
    /// It had shown nothing yet, and had to make room for a newer one.
    NoRoom,
    /// It had shown nothing in time.
    NotInTime,
    // === calls ===
    /// The call carries no certificate, key or token.
    NothingShown,
    /// The call carries something that is neither a key nor a token.
    Malformed,
    /// The key is unknown.
    KeyUnknown,
    /// The key was revoked.
    KeyRevoked,
    /// The key has expired.
    KeyExpired,
    /// The token's algorithm is not the configured one.
    TokenAlgorithm,
    /// No key of the issuer signed the token.
    TokenSignature,
    /// A claim of the token is missing or wrong.
    TokenClaim,
    /// The token has expired.
    TokenExpired,
    /// The token is not valid yet.
    TokenNotYetValid,
    /// The certificate or token names a system that is not registered.
    SystemUnknown,
    /// The system was disabled.
    SystemDisabled,
    /// The certificate names one system, the key or token another.
    NamesDiffer,
    /// The system has reached its limit of open connections.
    TooManyConnections,
}

impl Cause {
    /// Whether it ends the connection before any call.
    fn is_of_connection(self) -> bool {
        self < Self::NothingShown
    }

    /// Its name in logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::NotTls => "not_tls",
            Self::TlsIncompatible => "tls_incompatible",
            Self::NoAlpn => "no_alpn",
            Self::HandshakeSlow => "handshake_slow",
            Self::HandshakeBroken => "handshake_broken",
            Self::CertificateUnreadable => "certificate_unreadable",
            Self::CertificateUntrusted => "certificate_untrusted",
            Self::CertificateExpired => "certificate_expired",
            Self::CertificateNotYetValid => "certificate_not_yet_valid",
            Self::CertificateWrongUse => "certificate_wrong_use",
            Self::CertificateRevoked => "certificate_revoked",
            Self::CertificateNamesNobody => "certificate_names_nobody",
            Self::NoRoom => "no_room",
            Self::NotInTime => "not_in_time",
            Self::NothingShown => "nothing_shown",
            Self::Malformed => "malformed",
            Self::KeyUnknown => "key_unknown",
            Self::KeyRevoked => "key_revoked",
            Self::KeyExpired => "key_expired",
            Self::TokenAlgorithm => "token_algorithm",
            Self::TokenSignature => "token_signature",
            Self::TokenClaim => "token_claim",
            Self::TokenExpired => "token_expired",
            Self::TokenNotYetValid => "token_not_yet_valid",
            Self::SystemUnknown => "system_unknown",
            Self::SystemDisabled => "system_disabled",
            Self::NamesDiffer => "names_differ",
            Self::TooManyConnections => "too_many_connections",
        }
    }
}

/// An identification that was refused.
#[derive(Clone, Debug)]
pub struct Refused {
    /// Why.
    pub cause: Cause,
    /// From where.
    pub peer: Option<SocketAddr>,
    /// The system that the peer claimed to be: its code or a key's id where one can be read, else empty.
    pub claimed: String,
}

/// Counts, logs and records refused identifications; all of them pass through here.
#[derive(Debug, Default)]
pub struct Refusals {
    counts: Mutex<BTreeMap<Cause, u64>>,
    /// Weak: the log ends when its last writer is dropped.
    audit: Weak<AuditLog>,
}

impl Refusals {
    /// Records into this log.
    pub fn new(audit: &Arc<AuditLog>) -> Arc<Self> {
        Arc::new(Self { audit: Arc::downgrade(audit), ..Self::default() })
    }

    /// Counts and logs one, and records it unless it was a call: calls leave their own record.
    pub fn record(&self, refused: &Refused) {
        let Refused { cause, peer, claimed } = refused;
        self.count_one(*cause);
        if let (Some(audit), true) = (self.audit.upgrade(), cause.is_of_connection()) {
            audit.refused(cause.name(), claimed, *peer);
        }
        let (cause, peer) = (cause.name(), peer.map(tracing::field::display));
        tracing::info!(cause, peer, claimed, "identification refused");
    }

    /// Counts one without a word about it: there may be thousands that are nobody's.
    pub fn count_one(&self, cause: Cause) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(cause).or_default() += 1;
    }

    /// How many were refused since the start, by cause.
    pub fn counts(&self) -> Vec<(&'static str, u64)> {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.iter().map(|(cause, count)| (cause.name(), *count)).collect()
    }

    /// How many were refused for a cause since the start.
    pub fn count(&self, cause: Cause) -> u64 {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.get(&cause).copied().unwrap_or(0)
    }
}
