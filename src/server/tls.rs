//! The hub's side of TLS: its files, and the clients it accepts.
use std::{path::PathBuf, sync::Arc};

use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, InvalidMessage,
    RootCertStore, ServerConfig, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{
        CertificateDer, CertificateRevocationListDer, PrivateKeyDer, UnixTime, pem::PemObject,
    },
    server::{
        NoServerSessionStorage, WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
    version::TLS13,
};

use x509_parser::prelude::{CertificateRevocationList, FromDer};

use crate::{
    bad_config::{BadConfig, read_file},
    caller::{credential::Certificate, refusals::Cause},
    time::Timestamp,
};

/// The one protocol above TLS.
const H2: &[u8] = b"h2";

/// Where TLS is read from. PEM, all of them.
#[derive(Clone, Debug)]
pub struct Files {
    /// The hub's certificate, followed by those between it and its authority.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// The authorities whose certificates systems may show; none are asked for without.
    pub client_ca: Option<PathBuf>,
    /// What these authorities have revoked: a list of each of them.
    pub client_crl: Option<PathBuf>,
}

impl Files {
    /// Reads and checks all of them.
    pub fn load(&self) -> Result<Tls, BadConfig> {
        let Self { cert, key, client_ca, client_crl } = self;
        let optional = |name, path: &Option<PathBuf>| {
            path.as_ref().map(|path| read_file(name, path)).transpose()
        };
        Tls::new(&Pem {
            cert: read_file("tls_cert", cert)?,
            key: read_file("tls_key", key)?,
            client_ca: optional("tls_client_ca", client_ca)?,
            client_crl: optional("tls_client_crl", client_crl)?,
        })
    }

    /// The files.
    pub fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        let Self { cert, key, client_ca, client_crl } = self;
        [cert, key].into_iter().chain(client_ca).chain(client_crl)
    }
}

/// What the files hold.
#[derive(Clone, Default)]
pub struct Pem {
    /// See [`Files`].
    pub cert: Vec<u8>,
    /// See [`Files`].
    pub key: Vec<u8>,
    /// See [`Files`].
    pub client_ca: Option<Vec<u8>>,
    /// See [`Files`].
    pub client_crl: Option<Vec<u8>>,
}

impl std::fmt::Debug for Pem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pem(..)")
    }
}

/// TLS as it is configured now.
#[derive(Clone, Debug)]
pub struct Tls {
    /// For new connections.
    pub config: Arc<ServerConfig>,
    /// When the first of the lists of what was revoked should be replaced, if they say so.
    pub next_list_at: Option<Timestamp>,
    clients: Option<Arc<Clients>>,
}

impl Tls {
    /// TLS 1.3 and HTTP/2 only, with a whole handshake for each connection: a resumed one would not look at the
    /// certificate again.
    pub fn new(pem: &Pem) -> Result<Self, BadConfig> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let chain = certificates("tls_cert", &pem.cert)?;
        let key = PrivateKeyDer::from_pem_slice(&pem.key)
            .map_err(|err| bad("tls_key", "be a private key in PEM", &err))?;
        let clients = match &pem.client_ca {
            None => None,
            Some(pem_ca) => {
                Some(Arc::new(Clients::new(&provider, pem_ca, pem.client_crl.as_deref())?))
            }
        };
        let builder = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])
            .map_err(|err| bad("tls_cert", "be of use in TLS 1.3", &err))?;
        let builder = match &clients {
            None => builder.with_no_client_auth(),
            Some(clients) => builder
                .with_client_cert_verifier(Arc::clone(clients) as Arc<dyn ClientCertVerifier>),
        };
        let mut config = builder
            .with_single_cert(chain, key)
            .map_err(|err| bad("tls_key", "be the private key of `tls_cert`", &err))?;
        config.alpn_protocols = vec![H2.to_vec()];
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        let next_list_at = pem.client_crl.as_deref().and_then(next_list_at);
        Ok(Self { config: Arc::new(config), next_list_at, clients })
    }

    /// Whether a certificate that was shown earlier would be accepted now.
    pub fn accepts(&self, chain: &[CertificateDer<'_>]) -> Result<(), Cause> {
        let Some(clients) = &self.clients else { return Err(Cause::CertificateUntrusted) };
        let Some((first, rest)) = chain.split_first() else { return Ok(()) };
        match clients.verify_client_cert(first, rest, UnixTime::now()) {
            Ok(_) => Ok(()),
            Err(err) => Err(cause(&err)),
        }
    }
}

fn bad(key: &'static str, must: &str, why: &dyn std::fmt::Display) -> BadConfig {
    BadConfig { key, must: format!("{must}: {why}") }
}

fn certificates(key: &'static str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, BadConfig> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let must = "be certificates in PEM";
    match read {
        Ok(some) if !some.is_empty() => Ok(some),
        Ok(_) => Err(bad(key, must, &"there is none")),
        Err(err) => Err(bad(key, must, &err)),
    }
}

/// The earliest `nextUpdate` of some revocation lists, which were found to be of use.
fn next_list_at(pem: &[u8]) -> Option<Timestamp> {
    let lists = CertificateRevocationListDer::pem_slice_iter(pem).filter_map(Result::ok);
    let next = lists.filter_map(|der| {
        let (_, list) = CertificateRevocationList::from_der(&der).ok()?;
        Timestamp::from_parts(list.next_update()?.timestamp(), 0).ok()
    });
    next.min()
}

/// Which client certificates are accepted: those of the authorities that are not revoked and name one system.
#[derive(Debug)]
struct Clients(Arc<dyn ClientCertVerifier>);

impl Clients {
    fn new(
        provider: &Arc<CryptoProvider>,
        authorities: &[u8],
        revoked: Option<&[u8]>,
    ) -> Result<Self, BadConfig> {
        let mut roots = RootCertStore::empty();
        for authority in certificates("tls_client_ca", authorities)? {
            roots.add(authority).map_err(|err| bad("tls_client_ca", "be authorities", &err))?;
        }
        let mut builder =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
                // A client without a certificate may have a key.
                .allow_unauthenticated();
        if let Some(pem) = revoked {
            let lists: Result<Vec<_>, _> =
                CertificateRevocationListDer::pem_slice_iter(pem).collect();
            let must = "be revocation lists in PEM";
            match lists {
                Ok(some) if !some.is_empty() => builder = builder.with_crls(some),
                Ok(_) => return Err(bad("tls_client_crl", must, &"there is none")),
                Err(err) => return Err(bad("tls_client_crl", must, &err)),
            }
        }
        let key = if revoked.is_some() { "tls_client_crl" } else { "tls_client_ca" };
        builder.build().map(Self).map_err(|err| bad(key, "be of use", &err))
    }
}

impl ClientCertVerifier for Clients {
    fn offer_client_auth(&self) -> bool {
        self.0.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.0.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.0.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.0.verify_client_cert(end_entity, intermediates, now)?;
        match Certificate::read(end_entity) {
            Ok(_) => Ok(verified),
            Err(Cause::CertificateUnreadable) => Err(CertificateError::BadEncoding.into()),
            Err(_) => Err(CertificateError::ApplicationVerificationFailure.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

/// Why a handshake failed.
#[expect(clippy::wildcard_enum_match_arm, reason = "foreign enums that grow")]
pub(super) fn cause(err: &Error) -> Cause {
    match err {
        Error::InvalidCertificate(err) => match err {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                Cause::CertificateExpired
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                Cause::CertificateNotYetValid
            }
            CertificateError::Revoked
            | CertificateError::UnknownRevocationStatus
            | CertificateError::ExpiredRevocationList
            | CertificateError::ExpiredRevocationListContext { .. } => Cause::CertificateRevoked,
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
                Cause::CertificateWrongUse
            }
            CertificateError::ApplicationVerificationFailure => Cause::CertificateNamesNobody,
            CertificateError::BadEncoding => Cause::CertificateUnreadable,
            _ => Cause::CertificateUntrusted,
        },
        Error::PeerIncompatible(_) => Cause::TlsIncompatible,
        Error::NoApplicationProtocol => Cause::NoAlpn,
        Error::InvalidMessage(InvalidMessage::InvalidContentType)
        | Error::InvalidMessage(InvalidMessage::UnknownProtocolVersion)
        | Error::InvalidMessage(InvalidMessage::MessageTooLarge) => Cause::NotTls,
        _ => Cause::HandshakeBroken,
    }
}

/// Whether HTTP/2 was agreed on. A client that offers no protocol at all passes the handshake.
pub(super) fn is_h2(agreed: Option<&[u8]>) -> bool {
    agreed == Some(H2)
}
