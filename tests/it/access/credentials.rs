//! By what systems show who they are, over TLS: what is accepted, and that each thing that is not is refused and
//! counted.
use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rcgen::{ExtendedKeyUsagePurpose, KeyUsagePurpose, SanType};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, pem::PemObject},
    version::TLS13,
};
use sharehub::{
    caller::refusals::Cause,
    limits::Limits,
    pb,
    pki::{self, Authority, Pair},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{self, Instant},
};
use tokio_rustls::TlsConnector;
use tonic::Code;
use tonic_types::StatusExt;

use crate::support::{
    client::{Client, Grants, Key, all_indicators, gso, refusal},
    hub::{Hub, slow, until, who},
    pki::{PKI, connector, is_let_in},
    raw::{Raw, unary},
    refusals::answered,
};

const WHO_AM_I: &str = "/sharehub.v1.AccessService/WhoAmI";

// === what is accepted ===

#[tokio::test]
async fn a_certificate_names_a_system() {
    let hub = Hub::start_tls().await;
    let ioc = hub.certified("ioc", all_indicators()).await;
    let (code, credential) = who(&ioc).await.unwrap();
    assert_eq!((code.as_str(), credential.kind()), ("ioc", pb::CredentialKind::Certificate));
    assert_eq!(credential.id.len(), 64);
    assert!(credential.expires_at.is_some());
    // A key goes over TLS as well, without a certificate and with one of the same system.
    let keyed = hub.system("so-y-te", all_indicators()).await;
    let (code, credential) = who(&keyed).await.unwrap();
    assert_eq!((code.as_str(), credential.kind()), ("so-y-te", pb::CredentialKind::Key));
    let both = Client { key: keyed.key.clone(), ..hub.with_certificate("so-y-te") };
    let (code, credential) = who(&both).await.unwrap();
    assert_eq!((code.as_str(), credential.kind()), ("so-y-te", pb::CredentialKind::Certificate));
}

#[tokio::test]
async fn when_a_key_was_used_last_is_told() {
    let hub = Hub::start().await;
    let idle = hub.system("so-noi-vu", Grants::default()).await;
    let used = hub.system("so-y-te", Grants::default()).await;
    who(&used).await.unwrap();
    let listed = async |hub: &Hub| {
        let request = pb::ListSystemsRequest::default();
        let systems = hub.admin().access().list_systems(request).await.unwrap().into_inner();
        let last = |it: pb::RegisteredSystem| (it.code, it.keys[0].last_used_at);
        systems.systems.into_iter().map(last).collect::<Vec<_>>()
    };
    let of = |all: &[(String, Option<prost_types::Timestamp>)], code: &str| {
        all.iter().find(|(it, _)| it == code).unwrap().1
    };
    let before = listed(&hub).await;
    assert!(of(&before, "so-y-te").is_some());
    assert_eq!(of(&before, "so-noi-vu"), None);
    drop(idle);
    // It is kept, without a revision, and other hubs of the store know it then.
    let head = hub.hub.revisions.head();
    sharehub::access::store::write_uses(&hub.hub, &hub.access).await.unwrap();
    assert_eq!(hub.hub.revisions.head(), head);
    let beside = hub.another().await;
    assert_eq!(of(&listed(&beside).await, "so-y-te"), of(&before, "so-y-te"));
    // What is seen later counts, and what was seen earlier does not take its place.
    who(&Client { channel: beside.channel.clone(), key: used.key.clone() }).await.unwrap();
    sharehub::access::store::write_uses(&beside.hub, &beside.access).await.unwrap();
    let later = of(&listed(&hub).await, "so-y-te").unwrap();
    let earlier = of(&before, "so-y-te").unwrap();
    assert!((later.seconds, later.nanos) > (earlier.seconds, earlier.nanos));
}

type Change = fn(&mut rcgen::CertificateParams);

/// A certificate that is as usual but for one thing.
fn odd(change: Change) -> Pair {
    let (mut params, serial) = pki::params("ioc");
    let uri = "urn:sharehub:system:ioc".try_into().unwrap();
    params.subject_alt_names = vec![SanType::URI(uri)];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    change(&mut params);
    PKI.authority.sign(&params, serial).unwrap()
}

fn uris(params: &mut rcgen::CertificateParams, uris: &[&str]) {
    let uri = |it: &&str| SanType::URI((*it).try_into().unwrap());
    params.subject_alt_names = uris.iter().map(uri).collect();
}

#[tokio::test]
async fn every_bad_certificate_is_refused_in_the_handshake_and_counted() {
    const DAY: Duration = Duration::from_secs(86_400);
    let hub = Hub::start_tls().await;
    hub.register("ioc", all_indicators()).await;
    let revoked = PKI.client("ioc");
    hub.tls.as_ref().unwrap().send_replace(PKI.tls(&[&revoked]).into());
    let stranger = Authority::new().unwrap();
    let ioc = sharehub::caller::SystemCode::parse("ioc").unwrap();
    let rows: Vec<(&str, Pair, Cause)> = vec![
        ("of another authority", stranger.client(&ioc).unwrap(), Cause::CertificateUntrusted),
        ("signed by itself", stranger.own, Cause::CertificateUntrusted),
        ("revoked", revoked, Cause::CertificateRevoked),
        (
            "expired",
            odd(|it| it.not_after = (SystemTime::now() - Duration::from_secs(2)).into()),
            Cause::CertificateExpired,
        ),
        (
            "not yet valid",
            odd(|it| it.not_before = (SystemTime::now() + DAY).into()),
            Cause::CertificateNotYetValid,
        ),
        (
            "for servers",
            odd(|it| it.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]),
            Cause::CertificateWrongUse,
        ),
        ("the hub's own", PKI.server.clone(), Cause::CertificateWrongUse),
        ("no name", odd(|it| it.subject_alt_names.clear()), Cause::CertificateNamesNobody),
        (
            "a name, but no URI",
            odd(|it| it.subject_alt_names = vec![SanType::DnsName("ioc".try_into().unwrap())]),
            Cause::CertificateNamesNobody,
        ),
        (
            "two systems",
            odd(|it| uris(it, &["urn:sharehub:system:ioc", "urn:sharehub:system:admin"])),
            Cause::CertificateNamesNobody,
        ),
        (
            "a system, and another URI",
            odd(|it| uris(it, &["urn:sharehub:system:ioc", "https://ioc.example"])),
            Cause::CertificateNamesNobody,
        ),
        (
            "somebody else's URI",
            odd(|it| uris(it, &["spiffe://example/system/ioc"])),
            Cause::CertificateNamesNobody,
        ),
        (
            "no code",
            odd(|it| uris(it, &["urn:sharehub:system:IOC"])),
            Cause::CertificateNamesNobody,
        ),
    ];
    let good = connector(Some(&odd(|_| {})), false, &["h2"]);
    assert!(is_let_in(&hub, &good).await, "the rows differ in more than they say");
    for (what, pair, cause) in rows {
        let before = hub.access.refusals.count(cause);
        let asks = connector(Some(&pair), false, &["h2"]);
        assert!(!is_let_in(&hub, &asks).await, "{what}");
        let counted = async || hub.access.refusals.count(cause) == before + 1;
        until(&format!("{what}: {cause:?} is counted"), counted).await;
        // So it is for who comes by a library, with a good key as well.
        let client = Client { key: hub.admin().key, ..hub.showing(&pair) };
        let status = who(&client).await.expect_err(what);
        assert!(status.get_details_error_info().is_none(), "{what}: it was let in: {status:?}");
    }
}

#[tokio::test]
async fn every_other_handshake_is_refused_and_counted() {
    let hub = Hub::start_tls().await;
    hub.register("ioc", all_indicators()).await;
    let pair = PKI.client("ioc");
    let count = |cause| hub.access.refusals.count(cause);
    assert!(is_let_in(&hub, &connector(Some(&pair), false, &["http/1.1", "h2"])).await);
    let rows = [
        ("TLS 1.2", connector(Some(&pair), true, &["h2"]), Cause::TlsIncompatible),
        ("no ALPN", connector(Some(&pair), false, &[]), Cause::NoAlpn),
        ("HTTP/1.1", connector(Some(&pair), false, &["http/1.1"]), Cause::NoAlpn),
    ];
    for (what, connector, cause) in rows {
        let before = count(cause);
        assert!(!is_let_in(&hub, &connector).await, "{what}");
        until(what, async || count(cause) == before + 1).await;
    }
    // Plain text.
    let mut plain = TcpStream::connect(hub.address).await.unwrap();
    plain.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    until("plain text", async || count(Cause::NotTls) == 1).await;
    // Somebody who does not trust the hub.
    let strange = Authority::new().unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(strange.own.cert.as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(aws_lc_rs::default_provider().into());
    let config = config.with_protocol_versions(&[&TLS13]).unwrap();
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    assert!(!is_let_in(&hub, &TlsConnector::from(Arc::new(config))).await);
    until("no trust", async || count(Cause::HandshakeBroken) == 1).await;
    // Somebody who begins and does not go on, and keeps no place.
    let began = Instant::now();
    let mut slow = TcpStream::connect(hub.address).await.unwrap();
    slow.write_all(&[0x16, 3, 1, 2, 0, 1]).await.unwrap();
    let mut nothing = [0; 1];
    let read = time::timeout(Duration::from_secs(20), slow.read(&mut nothing)).await.unwrap();
    assert_eq!(read.unwrap_or(0), 0);
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    assert_eq!(count(Cause::HandshakeSlow), 1);
}

#[tokio::test]
async fn a_certificate_of_no_system_is_refused_at_each_call_and_counted() {
    let hub = Hub::start_tls().await;
    let ioc = hub.certified("ioc", all_indicators()).await;
    let count = |cause| hub.access.refusals.count(cause);
    let refused = async |client: &Client| {
        let (code, reason, _) = refusal(who(client).await);
        assert_eq!((code, reason.as_str()), (Code::Unauthenticated, "CALLER_UNKNOWN"));
    };
    // Nothing at all.
    refused(&hub.nobody()).await;
    assert_eq!(count(Cause::NothingShown), 1);
    // A system that is not registered.
    let nobody = hub.with_certificate("nobody");
    refused(&nobody).await;
    assert_eq!(count(Cause::SystemUnknown), 1);
    // Its connection is good for it when it is.
    hub.register("nobody", all_indicators()).await;
    who(&nobody).await.unwrap();
    // Two that are good, and name different systems.
    let keyed = hub.system("so-y-te", all_indicators()).await;
    refused(&Client { key: keyed.key, ..ioc.clone() }).await;
    assert_eq!(count(Cause::NamesDiffer), 1);
    // A bad key makes a good certificate no better.
    let bad = Key(Some("shk_aaaaaaaaaaaa_b".to_owned()));
    refused(&Client { key: bad, ..ioc.clone() }).await;
    assert_eq!(count(Cause::KeyUnknown), 1);
    // A system that is disabled, by its certificate and by its key.
    let mut access = hub.admin().access();
    for (code, client) in [("ioc", &ioc), ("so-y-te", &hub.with_certificate("so-y-te"))] {
        who(client).await.unwrap();
        let before = count(Cause::SystemDisabled);
        let code = code.to_owned();
        let disable = pb::DisableSystemRequest { request_id: String::new(), code };
        access.disable_system(disable).await.unwrap();
        refused(client).await;
        assert_eq!(count(Cause::SystemDisabled), before + 1);
    }
}

#[tokio::test]
async fn a_connection_outlives_neither_its_certificate_nor_its_authority() {
    let hub = Hub::start_tls().await;
    hub.register("ioc", all_indicators()).await;
    let tls = hub.tls.as_ref().unwrap();
    // A certificate that expires while somebody watches.
    let brief = odd(|it| it.not_after = (SystemTime::now() + Duration::from_secs(8)).into());
    let brief = hub.showing(&brief);
    let mut watching = watch(&brief).await;
    let ended = time::timeout(Duration::from_secs(40), async move {
        while let Ok(Some(_)) = watching.message().await {}
    });
    ended.await.expect("a watch must end with its certificate");
    // One that is revoked while somebody watches; another one of the same system goes on.
    let (good, bad) = (PKI.client("ioc"), PKI.client("ioc"));
    let (kept, cut) = (hub.showing(&good), hub.showing(&bad));
    let (mut kept, mut cut) = (watch(&kept).await, watch(&cut).await);
    tls.send_replace(PKI.tls(&[&bad]).into());
    let ended = time::timeout(Duration::from_secs(5), async move {
        while let Ok(Some(_)) = cut.message().await {}
    });
    ended.await.expect("a watch must end when its certificate is revoked");
    assert!(hub.access.refusals.count(Cause::CertificateRevoked) > 0);
    let more = time::timeout(Duration::from_secs(1), kept.message()).await;
    assert!(!matches!(more, Ok(Ok(None) | Err(_))), "the other one was cut: {more:?}");
    // Both end when their authority is no longer trusted.
    let other = Authority::new().unwrap();
    let mut pem = PKI.pem(&[]);
    pem.client_ca = Some(other.own.cert.clone().into());
    pem.client_crl = Some(other.revoke(&[]).unwrap().into());
    tls.send_replace(sharehub::server::tls::Tls::new(&pem).unwrap().into());
    let ended = time::timeout(Duration::from_secs(5), async move {
        while let Ok(Some(_)) = kept.message().await {}
    });
    ended.await.expect("a watch must end when its authority is no longer trusted");
}

/// An open watch, after its first message.
async fn watch(client: &Client) -> tonic::Streaming<pb::WatchResponse> {
    let about = pb::watch_filter::About::Indicators(pb::IndicatorFilter {
        indicators: vec!["*".to_owned()],
        ..Default::default()
    });
    let request = pb::WatchRequest {
        filters: vec![pb::WatchFilter { about: Some(about) }],
        from: Some(pb::watch_request::From::Now(true)),
        bookmark_seconds: 1,
    };
    let mut watching = client.feed().watch(request).await.unwrap().into_inner();
    watching.message().await.unwrap().unwrap();
    watching
}

// === keys that are not ===

#[tokio::test]
async fn every_bad_key_is_refused_with_the_same_words_and_counted() {
    let hub = Hub::start().await;
    let mut access = hub.admin().access();
    let revoked = hub.system("so-y-te", all_indicators()).await.key.0.unwrap();
    let key_id = revoked.split('_').nth(1).unwrap().to_owned();
    access.revoke_key(pb::RevokeKeyRequest { key_id, ..Default::default() }).await.unwrap();
    hub.register("so-noi-vu", all_indicators()).await;
    let soon = SystemTime::now() + Duration::from_millis(300);
    let soon = soon.duration_since(UNIX_EPOCH).unwrap();
    let expires_at = Some(prost_types::Timestamp {
        seconds: i64::try_from(soon.as_secs()).unwrap(),
        nanos: i32::try_from(soon.subsec_nanos()).unwrap(),
    });
    let issue =
        pb::IssueKeyRequest { system: "so-noi-vu".to_owned(), expires_at, ..Default::default() };
    let expired = access.issue_key(issue).await.unwrap().into_inner().key;
    time::sleep(Duration::from_millis(350)).await;
    let admin = hub.admin().key.0.unwrap();
    let rows = [
        ("unknown", "shk_aaaaaaaaaaaa_b".to_owned(), Cause::KeyUnknown),
        ("another secret", format!("{}x", &admin[..admin.len() - 1]), Cause::KeyUnknown),
        ("cut", admin[..admin.len() - 1].to_owned(), Cause::KeyUnknown),
        ("no secret", admin[..16].to_owned(), Cause::Malformed),
        ("no prefix", admin[4..].to_owned(), Cause::Malformed),
        ("empty", String::new(), Cause::Malformed),
        ("revoked", revoked, Cause::KeyRevoked),
        ("expired", expired, Cause::KeyExpired),
    ];
    let mut words = std::collections::BTreeSet::new();
    for (what, key, cause) in rows {
        let before = hub.access.refusals.count(cause);
        let status = who(&hub.as_(&key)).await.expect_err(what);
        words.insert((status.code().to_string(), status.message().to_owned()));
        let (_, reason, _) = refusal(Err::<(), _>(status));
        assert_eq!(reason, "CALLER_UNKNOWN", "{what}");
        assert_eq!(hub.access.refusals.count(cause), before + 1, "{what}");
    }
    assert_eq!(words.len(), 1, "{words:?}");
}

// === connections ===

#[tokio::test]
async fn a_system_has_so_many_connections_at_most() {
    let hub = Hub::with(Limits { connections_each: 2, ..slow() }).await;
    let somebody = hub.system("so-y-te", all_indicators()).await;
    let other = hub.system("so-noi-vu", all_indicators()).await;
    let by_own = |client: &Client| hub.narrow(client, 65_535);
    let (one, two, three) = (&somebody, by_own(&somebody), by_own(&somebody));
    who(one).await.unwrap();
    who(&two).await.unwrap();
    let (code, reason, _) = refusal(who(&three).await);
    assert_eq!((code, reason.as_str()), (Code::ResourceExhausted, "TOO_MANY_CONNECTIONS"));
    assert_eq!(hub.access.refusals.count(Cause::TooManyConnections), 1);
    // Others share a connection with it, or have their own.
    who(&other).await.unwrap();
    who(&by_own(&other)).await.unwrap();
    // A place is given back when its connection ends.
    drop(two);
    until("a place is free", async || who(&by_own(&somebody)).await.is_ok()).await;
}

#[tokio::test]
async fn connections_without_calls_are_closed_and_old_ones_asked_to_go() {
    let limits = Limits {
        connection_idle: Duration::from_secs(1),
        connection_age: Duration::from_secs(4),
        ..slow()
    };
    let hub = Hub::with(limits).await;
    let somebody = hub.system("so-y-te", all_indicators()).await;
    let key = somebody.key.0.clone().unwrap();
    // Idle: it is closed, and who comes back gets a new one.
    let raw = Raw::connect(hub.address).await;
    assert_eq!(raw.call(unary(WHO_AM_I, Some(&key), &[])).await.code(), Code::Ok);
    let began = Instant::now();
    until("it is closed", async || raw.is_closed()).await;
    assert!(began.elapsed() > Duration::from_millis(900), "{:?}", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    // One with a call on it is not idle; but it grows old, and takes no more calls, while what goes on on it goes on.
    let reader = hub.narrow(&somebody, 65_535);
    let mut watching = watch(&reader).await;
    let unit = gso("86", "2026-01-01");
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(7) {
        let request = pb::GetUnitRequest { unit: unit.clone(), consistency: None };
        if let Err(status) = reader.units().get_unit(request.clone()).await {
            // The client's library may give up a call of its own that it had not sent when the connection took no more.
            assert!(status.get_details_error_info().is_none(), "{status:?}");
            reader.units().get_unit(request).await.unwrap();
        }
        time::sleep(Duration::from_millis(20)).await;
    }
    let more = time::timeout(Duration::from_millis(100), watching.message()).await;
    assert!(!matches!(more, Ok(Ok(None) | Err(_))), "the watch was cut: {more:?}");
}

/// What hands out rights or destroys data takes more than a key that may have been stolen.
#[tokio::test]
async fn what_cannot_be_taken_back_asks_for_a_certificate() {
    let hub = Hub::start_tls().await;
    hub.register("ioc", Grants::default()).await;
    let agreements = Grants { read_dossiers: true, ..Default::default() }.agreements("ioc");
    let grant = pb::GrantAgreementRequest {
        agreement: agreements.into_iter().next(),
        ..Default::default()
    };
    let revoke =
        pb::RevokeAgreementRequest { code: "ioc.read-dossiers".to_owned(), ..Default::default() };
    let administrator = Some(pb::Grants { administrator: true, ..Default::default() });
    let register = pb::RegisterSystemRequest {
        code: "admin-2".to_owned(),
        name: "admin-2".to_owned(),
        grants: administrator.clone(),
        ..Default::default()
    };
    let promote = pb::UpdateSystemRequest {
        system: Some(pb::RegisteredSystem {
            code: "ioc".to_owned(),
            grants: administrator,
            ..Default::default()
        }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["grants".to_owned()] }),
        ..Default::default()
    };
    let erase = pb::ErasePersonalDataRequest {
        dossiers: vec!["H-1".to_owned()],
        legal_basis: "Luật 91/2025/QH15".to_owned(),
        ..Default::default()
    };
    let told = async |client: Client| {
        let access = client.access();
        [
            answered(access.clone().grant_agreement(grant.clone()).await),
            answered(access.clone().revoke_agreement(revoke.clone()).await),
            answered(access.clone().register_system(register.clone()).await),
            answered(access.clone().update_system(promote.clone()).await),
            answered(client.dossiers().erase_personal_data(erase.clone()).await),
        ]
    };
    let refused = (Code::PermissionDenied, "CERTIFICATE_REQUIRED".to_owned(), Vec::new());
    for (i, it) in told(hub.admin()).await.into_iter().enumerate() {
        assert_eq!(it, refused, "act {i} by a key");
    }
    let codes = told(hub.steward()).await.map(|(code, ..)| code);
    let ok = Code::Ok;
    assert_eq!(codes, [ok, ok, ok, ok, Code::NotFound], "by a certificate");
    // Another system needs no more than a key, and neither does a hub that speaks plain text to its own machine.
    let plain = pb::RegisterSystemRequest {
        code: "so-y-te".to_owned(),
        name: "so-y-te".to_owned(),
        ..Default::default()
    };
    hub.admin().access().register_system(plain).await.unwrap();
    let local = Hub::start().await;
    local.register("ioc", Grants::default()).await;
    let codes = told(local.admin()).await.map(|(code, ..)| code);
    assert_eq!(codes, [ok, ok, ok, ok, Code::NotFound], "without TLS");
}
