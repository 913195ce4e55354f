//! Refused identifications: each one is counted by its cause, and logged, in one place.
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use crate::log::AuditLog;

/// Why somebody was not accepted as a system. Strangers are not told which it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    // === connections ===
    /// What came is no TLS.
    NotTls,
    /// TLS older than 1.3, or nothing that both sides can do.
    TlsIncompatible,
    /// The client did not ask for HTTP/2 by ALPN.
    NoAlpn,
    /// The handshake took too long.
    HandshakeSlow,
    /// The client went away, or did not accept the hub's own certificate.
    HandshakeBroken,
    /// The certificate cannot be read.
    CertificateUnreadable,
    /// No authority that is trusted has issued the certificate.
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
    // === calls ===
    /// Neither a certificate nor a key nor a token came with the call.
    NothingShown,
    /// What came with the call is neither a key nor a token.
    Malformed,
    /// There is no such key.
    KeyUnknown,
    /// The key was revoked.
    KeyRevoked,
    /// The key has expired.
    KeyExpired,
    /// The algorithm of the token is not the one that is configured.
    TokenAlgorithm,
    /// The token is signed by no key of the issuer.
    TokenSignature,
    /// A claim of the token is missing, or is not what it must be.
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
    /// The system has as many connections open as it may.
    TooManyConnections,
}

impl Cause {
    /// Whether it ends a connection before there was a call.
    fn is_of_connection(self) -> bool {
        self < Self::NothingShown
    }

    /// Its name, as it is logged and counted.
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
    /// Whom it claimed to be, as far as that is known and is a word of ours: a system's code or a key's id, or empty.
    pub claimed: String,
}

/// Every refused identification goes through here.
#[derive(Debug, Default)]
pub struct Refusals {
    counts: Mutex<BTreeMap<Cause, u64>>,
    /// Weak: the log ends when its last writer is dropped.
    audit: Weak<AuditLog>,
}

impl Refusals {
    /// Recorded in this log.
    pub fn new(audit: &Arc<AuditLog>) -> Arc<Self> {
        Arc::new(Self { audit: Arc::downgrade(audit), ..Self::default() })
    }

    /// Counts and logs one, and records it, unless it was a call, which leaves its own record.
    pub fn record(&self, refused: &Refused) {
        let Refused { cause, peer, claimed } = refused;
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(*cause).or_default() += 1;
        drop(counts);
        if let (Some(audit), true) = (self.audit.upgrade(), cause.is_of_connection()) {
            audit.refused(cause.name(), claimed, *peer);
        }
        let (cause, peer) = (cause.name(), peer.map(tracing::field::display));
        tracing::info!(cause, peer, claimed, "identification refused");
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
