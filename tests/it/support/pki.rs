//! Certificates for the tests, made once for this process by the same code as `sharehub pki dev`, and who connects
//! with them.
use std::{
    fs,
    net::SocketAddr,
    path::Path,
    sync::{Arc, LazyLock},
};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    version::{TLS12, TLS13},
};
use sharehub::{
    caller::SystemCode,
    pki::{Authority, Pair},
    server::tls::{Pem, Tls},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

use crate::support::hub::Hub;

/// The authority of this process, and the hub's certificate.
pub struct Pki {
    pub authority: Authority,
    pub server: Pair,
}

pub static PKI: LazyLock<Pki> = LazyLock::new(|| {
    let authority = Authority::new().unwrap();
    let server = authority.server(&names()).unwrap();
    Pki { authority, server }
});

/// The names under which a hub of the tests is reached.
pub fn names() -> Vec<String> {
    ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into()
}

impl Pki {
    /// The hub's TLS: it asks for certificates of the authority, of which these are revoked.
    pub fn tls(&self, revoked: &[&Pair]) -> Tls {
        Tls::new(&self.pem(revoked)).unwrap()
    }

    /// The same, as the files hold it.
    pub fn pem(&self, revoked: &[&Pair]) -> Pem {
        let serials: Vec<_> = revoked.iter().map(|it| it.serial.clone()).collect();
        Pem {
            cert: self.server.cert.clone().into(),
            key: self.server.key.clone().into(),
            client_ca: Some(self.authority.own.cert.clone().into()),
            client_crl: Some(self.authority.revoke(&serials).unwrap().into()),
        }
    }

    /// The same as files in a folder, and the flags of a hub that uses them.
    pub fn files(&self, dir: &Path) -> [String; 4] {
        let Pem { cert, key, client_ca, client_crl } = self.pem(&[]);
        let write = |flag: &str, bytes: Vec<u8>| {
            let path = dir.join(format!("{flag}.pem"));
            fs::write(&path, bytes).unwrap();
            format!("--{flag}={}", path.display())
        };
        [
            write("tls-cert", cert),
            write("tls-key", key),
            write("tls-client-ca", client_ca.unwrap()),
            write("tls-client-crl", client_crl.unwrap()),
        ]
    }

    /// A certificate that names a system.
    pub fn client(&self, system: &str) -> Pair {
        self.authority.client(&SystemCode::parse(system).unwrap()).unwrap()
    }

    /// A connection to a hub, with a certificate or without.
    pub fn channel(&self, address: SocketAddr, shown: Option<&Pair>) -> Channel {
        self.endpoint(address, shown).connect_lazy()
    }

    pub fn endpoint(&self, address: SocketAddr, shown: Option<&Pair>) -> Endpoint {
        let mut tls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(&self.authority.own.cert))
            .domain_name("localhost");
        if let Some(Pair { cert, key, .. }) = shown {
            tls = tls.identity(Identity::from_pem(cert, key));
        }
        let endpoint = Endpoint::from_shared(format!("https://{address}")).unwrap();
        endpoint.tls_config(tls).unwrap()
    }
}

// === certificates that are not ===

/// The hub's port by rustls alone: these certificates, these versions, these protocols.
pub fn connector(shown: Option<&Pair>, is_old: bool, alpn: &[&str]) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    let ca = CertificateDer::from_pem_slice(PKI.authority.own.cert.as_bytes()).unwrap();
    roots.add(ca).unwrap();
    let versions: &[&rustls::SupportedProtocolVersion] = if is_old { &[&TLS12] } else { &[&TLS13] };
    let builder = ClientConfig::builder_with_provider(aws_lc_rs::default_provider().into())
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match shown {
        None => builder.with_no_client_auth(),
        Some(Pair { cert, key, .. }) => {
            let chain = CertificateDer::pem_slice_iter(cert.as_bytes()).map(Result::unwrap);
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
            builder.with_client_auth_cert(chain.collect(), key).unwrap()
        }
    };
    config.alpn_protocols = alpn.iter().map(|it| it.as_bytes().to_vec()).collect();
    TlsConnector::from(Arc::new(config))
}

/// Whether the hub lets somebody in: it answers to the preface of HTTP/2 by its settings.
pub async fn is_let_in(hub: &Hub, connector: &TlsConnector) -> bool {
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TcpStream::connect(hub.address).await.unwrap();
    let Ok(mut stream) = connector.connect(name, stream).await else { return false };
    let hello = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    if stream.write_all(hello).await.is_err() {
        return false;
    }
    let mut answer = [0; 9];
    stream.read_exact(&mut answer).await.is_ok() && answer[3] == 4
}
