//! Certificates for the tests, made once for this process by the same code as `sharehub pki dev`, and who connects with them.
use std::{fs, net::SocketAddr, path::Path, sync::LazyLock};

use sharehub::{
    caller::SystemCode,
    pki::{Authority, Pair},
    server::tls::{Pem, Tls},
};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

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
