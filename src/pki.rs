//! A certificate authority for trying the hub out and for tests: what `sharehub pki dev` writes.
pub mod files;

use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, RevocationReason, RevokedCertParams, SanType, SerialNumber,
};

use sha2::{Digest, Sha256};

use crate::{
    caller::{SystemCode, credential::URI},
    error::{Error, Result},
};

/// How the names of authorities begin. The rest tells one key from another: lists of revoked certificates are found
/// by name.
const NAME: &str = "sharehub development authority";
/// How long what it issues is valid: long enough to try things out, too short to be forgotten in production.
const DAYS: u32 = 90;
const DAY: Duration = Duration::from_secs(86_400);
/// Clocks differ.
const EARLIER: Duration = Duration::from_secs(300);

/// A certificate and its private key, in PEM.
#[derive(Clone)]
pub struct Pair {
    /// The certificate.
    pub cert: String,
    /// Its private key (PKCS #8).
    pub key: String,
    /// Its serial number, by which it is revoked.
    pub serial: Vec<u8>,
}

impl std::fmt::Debug for Pair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pair(..)")
    }
}

/// An authority. Its keys are ECDSA over P-256.
#[derive(Debug)]
pub struct Authority {
    /// Its own certificate, and the key that signs.
    pub own: Pair,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// A new authority.
    pub fn new() -> Result<Self> {
        Self::of(KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(Error::internal)?)
    }

    /// The authority that has this private key, with its certificate made anew.
    pub fn from_key(pem: &str) -> Result<Self> {
        Self::of(KeyPair::from_pem(pem).map_err(Error::internal)?)
    }

    fn of(key: KeyPair) -> Result<Self> {
        let digest = Sha256::digest(key.public_key_raw());
        let short: String = digest.iter().take(4).map(|it| format!("{it:02x}")).collect();
        let (mut params, serial) = params(&format!("{NAME} {short}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let cert = params.self_signed(&key).map_err(Error::internal)?;
        let own = Pair { cert: cert.pem(), key: key.serialize_pem(), serial };
        Ok(Self { own, issuer: Issuer::new(params, key) })
    }

    /// A certificate for a server that is reached by these names and addresses.
    pub fn server(&self, names: &[String]) -> Result<Pair> {
        let (mut params, serial) = params("sharehub");
        let named = CertificateParams::new(names).map_err(Error::internal)?;
        params.subject_alt_names = named.subject_alt_names;
        self.issue(params, ExtendedKeyUsagePurpose::ServerAuth, serial)
    }

    /// A certificate for a system.
    pub fn client(&self, system: &SystemCode) -> Result<Pair> {
        let (mut params, serial) = params(system.as_str());
        let uri = format!("{URI}{}", system.as_str());
        params.subject_alt_names = vec![SanType::URI(uri.try_into().map_err(Error::internal)?)];
        self.issue(params, ExtendedKeyUsagePurpose::ClientAuth, serial)
    }

    fn issue(
        &self,
        mut params: CertificateParams,
        usage: ExtendedKeyUsagePurpose,
        serial: Vec<u8>,
    ) -> Result<Pair> {
        params.extended_key_usages = vec![usage];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        self.sign(&params, serial)
    }

    /// Signs a certificate with any parameters.
    pub fn sign(&self, params: &CertificateParams, serial: Vec<u8>) -> Result<Pair> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(Error::internal)?;
        let cert = params.signed_by(&key, &self.issuer).map_err(Error::internal)?;
        Ok(Pair { cert: cert.pem(), key: key.serialize_pem(), serial })
    }

    /// The list of the certificates that it has revoked, by their serial numbers; in PEM.
    pub fn revoke(&self, serials: &[Vec<u8>]) -> Result<String> {
        let now = SystemTime::now();
        let number = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |it| it.as_secs());
        let revoked = |serial: &Vec<u8>| RevokedCertParams {
            serial_number: SerialNumber::from_slice(serial),
            revocation_time: (now - EARLIER).into(),
            reason_code: Some(RevocationReason::CessationOfOperation),
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: (now - EARLIER).into(),
            next_update: (now + DAYS * DAY).into(),
            crl_number: SerialNumber::from(number),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).and_then(|it| it.pem()).map_err(Error::internal)
    }
}

/// What certificates of this authority have in common, and a serial number.
pub fn params(name: &str) -> (CertificateParams, Vec<u8>) {
    let now = SystemTime::now();
    let mut serial: [u8; 16] = rand::random();
    // A positive number that does not begin with a zero.
    serial[0] = serial[0] & 0x7f | 0x40;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = (now - EARLIER).into();
    params.not_after = (now + DAYS * DAY).into();
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    (params, serial.to_vec())
}
