//! Certificates with an authority between theirs and the one that the hub trusts, as a province's own often are.
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SanType, SerialNumber,
};
use sharehub::{
    caller::refusals::Cause,
    pki::{self, Pair},
    server::tls::{Pem, Tls},
};

use crate::support::{
    client::Grants,
    hub::{Hub, until, who},
    pki::{PKI, connector, is_let_in},
};

/// An authority of any kind.
struct Signer {
    cert: String,
    serial: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
}

impl Signer {
    /// Signed by another one, or by itself; one that is no authority acts as one all the same.
    fn new(name: &str, above: Option<&Self>, is_authority: bool) -> Self {
        let (mut params, serial) = pki::params(name);
        if is_authority {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        }
        let key = KeyPair::generate().unwrap();
        let cert = match above {
            None => params.self_signed(&key),
            Some(above) => params.signed_by(&key, &above.issuer),
        };
        Self { cert: cert.unwrap().pem(), serial, issuer: Issuer::new(params, key) }
    }

    /// A certificate of the system `ioc`, followed by these.
    fn client(&self, chain: &[&Self]) -> Pair {
        let (mut params, serial): (CertificateParams, _) = pki::params("ioc");
        params.subject_alt_names =
            vec![SanType::URI("urn:sharehub:system:ioc".try_into().unwrap())];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().unwrap();
        let mut cert = params.signed_by(&key, &self.issuer).unwrap().pem();
        chain.iter().for_each(|it| cert += &it.cert);
        Pair { cert, key: key.serialize_pem(), serial }
    }

    /// What it has revoked.
    fn list(&self, serials: &[&[u8]]) -> String {
        let now = SystemTime::now();
        let day = Duration::from_secs(86_400);
        let revoked = |serial: &&[u8]| RevokedCertParams {
            serial_number: SerialNumber::from_slice(serial),
            revocation_time: (now - day).into(),
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: (now - day).into(),
            next_update: (now + day).into(),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).unwrap().pem().unwrap()
    }
}

/// The hub's own certificate, with one authority that it trusts and these lists.
fn trusting(root: &Signer, lists: &[String]) -> Tls {
    let own = PKI.pem(&[]);
    let client_ca = Some(root.cert.clone().into());
    Tls::new(&Pem { client_ca, client_crl: Some(lists.concat().into()), ..own }).unwrap()
}

#[tokio::test]
async fn a_chain_is_accepted_as_a_whole_or_not_at_all() {
    let hub = Hub::start_tls().await;
    hub.register("ioc", Grants::default()).await;
    let root = Signer::new("root", None, true);
    let between = Signer::new("department", Some(&root), true);
    let pretended = Signer::new("no authority", Some(&root), false);
    let good = between.client(&[&between]);
    let gone = between.client(&[&between]);
    let (none, lists) = (root.list(&[]), between.list(&[&gone.serial]));
    let both = trusting(&root, &[none.clone(), lists.clone()]);
    // The hub is told until when its lists are good.
    let next = both.next_list_at.unwrap().micros() / 1_000_000;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    assert!((0..=86_400).contains(&(next - i64::try_from(now).unwrap())), "{next}");
    let one_gone = trusting(&root, &[root.list(&[&between.serial]), lists.clone()]);
    let no_list = trusting(&root, &[none]);
    let rows = [
        ("revoked by the one between", &both, gone, Cause::CertificateRevoked),
        ("without the one between", &both, between.client(&[]), Cause::CertificateUntrusted),
        ("with another one", &both, between.client(&[&pretended]), Cause::CertificateUntrusted),
        ("of no authority", &both, pretended.client(&[&pretended]), Cause::CertificateUntrusted),
        ("the one between is revoked", &one_gone, good.clone(), Cause::CertificateRevoked),
        // What it revoked nobody knows: then nothing of it is good.
        ("no list of the one between", &no_list, good.clone(), Cause::CertificateRevoked),
    ];
    let tls = hub.tls.as_ref().unwrap();
    for (what, trusted, pair, cause) in rows {
        tls.send_replace(trusted.clone().into());
        let before = hub.access.refusals.count(cause);
        assert!(!is_let_in(&hub, &connector(Some(&pair), false, &["h2"])).await, "{what}");
        let counted = async || hub.access.refusals.count(cause) == before + 1;
        until(&format!("{what}: {cause:?} is counted"), counted).await;
    }
    tls.send_replace(both.into());
    let (code, credential) = who(&hub.showing(&good)).await.unwrap();
    assert_eq!((code.as_str(), credential.id.len()), ("ioc", 64));
}
