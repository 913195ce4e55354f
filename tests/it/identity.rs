//! By what systems show who they are, over TLS: what is accepted, and that each thing that is not is refused and counted.
use sharehub::{access::refusals::Cause, pb};
use tonic::Code;

use crate::{
    hub::{Client, Hub, all_indicators, refusal},
    pki::PKI,
};

/// The code of the system that the hub takes somebody for.
async fn who(client: &Client) -> Result<String, tonic::Status> {
    let answer = client.access().who_am_i(pb::WhoAmIRequest {}).await?.into_inner();
    Ok(answer.system.unwrap().code)
}

#[tokio::test]
async fn a_certificate_names_a_system() {
    let hub = Hub::start_tls().await;
    let ioc = hub.certified("ioc", all_indicators()).await;
    assert_eq!(who(&ioc).await.unwrap(), "ioc");
    // A key goes over TLS as well, without a certificate and with one of the same system.
    let keyed = hub.system("so-y-te", all_indicators()).await;
    assert_eq!(who(&keyed).await.unwrap(), "so-y-te");
    let both = Client { key: keyed.key.clone(), ..hub.with_certificate("so-y-te") };
    assert_eq!(who(&both).await.unwrap(), "so-y-te");
    // Two that name different systems are refused, although each is good.
    let mixed = Client { key: keyed.key, ..ioc };
    let (code, reason, _) = refusal(who(&mixed).await);
    assert_eq!((code, reason.as_str()), (Code::Unauthenticated, "CALLER_UNKNOWN"));
    assert_eq!(hub.hub.refusals.count(Cause::NamesDiffer), 1);
    // One that names nobody who is registered.
    refusal(who(&hub.with_certificate("nobody")).await);
    assert_eq!(hub.hub.refusals.count(Cause::SystemUnknown), 1);
}

#[tokio::test]
async fn a_revoked_certificate_is_cut_off() {
    let hub = Hub::start_tls().await;
    hub.register("ioc", all_indicators()).await;
    let (good, bad) = (PKI.client("ioc"), PKI.client("ioc"));
    let (kept, cut) = (hub.showing(&good), hub.showing(&bad));
    assert_eq!(who(&kept).await.unwrap(), "ioc");
    assert_eq!(who(&cut).await.unwrap(), "ioc");
    hub.tls.as_ref().unwrap().send_replace(PKI.tls(&[&bad]).into());
    assert_eq!(who(&kept).await.unwrap(), "ioc");
    who(&cut).await.expect_err("it is revoked");
    assert!(hub.hub.refusals.count(Cause::CertificateRevoked) > 0);
}
