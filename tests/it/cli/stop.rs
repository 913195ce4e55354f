//! How the program stops.
use std::{
    fs,
    time::{Duration, Instant},
};

use sharehub::{access, pb};
use tokio::{task, time};
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use crate::support::{
    client::{Grants, Key, gso, id},
    hub::Hub,
    program::{Program, admin_key, sharehub},
};

// === stopping ===

/// The address for operators.
fn operators(program: &Program) -> Channel {
    Endpoint::from_shared(format!("http://{}", program.admin)).unwrap().connect_lazy()
}

/// Watches the health, once it was told to serve.
async fn watch(channel: Channel) -> tonic::Streaming<tonic_health::pb::HealthCheckResponse> {
    let mut health = HealthClient::new(channel);
    let mut watched = health.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    let first = watched.message().await.unwrap().unwrap();
    assert_eq!(first.status().as_str_name(), "SERVING");
    watched
}

#[tokio::test]
async fn a_terminated_hub_says_so_and_finishes_what_it_began() {
    let dir = tempfile::tempdir().unwrap();
    let key = admin_key(dir.path()).await;
    let mut program = Program::serve(dir.path(), &["--call-ms", "60000"]).await;
    let mut watched = watch(operators(&program)).await;
    let somebody = program.as_(&key);
    let info = somebody.info().get_info(pb::GetInfoRequest {}).await.unwrap().into_inner();
    let next = info.newest.unwrap().number + 1;
    // A read that waits for the next revision is in flight.
    let requirement = Some(pb::consistency::Requirement::AtLeast(next));
    let consistency = Some(pb::Consistency { requirement });
    let unit = gso("86", "2026-01-01");
    let mut units = somebody.units();
    let waiting =
        task::spawn(async move { units.get_unit(pb::GetUnitRequest { unit, consistency }).await });
    // It is on its way when a call that was made after it, on the same connection, has come back.
    task::yield_now().await;
    somebody.info().get_info(pb::GetInfoRequest {}).await.unwrap();
    let began = Instant::now();
    program.terminate();
    let told = time::timeout(Duration::from_secs(5), watched.message()).await.unwrap();
    assert_eq!(told.unwrap().unwrap().status().as_str_name(), "NOT_SERVING");
    drop(watched);
    // Nobody new is let in.
    let ran = sharehub(dir.path(), &["health", "--target", &program.target()]).await;
    assert_eq!(ran.code, Some(4), "{ran:?}");
    assert!(!waiting.is_finished(), "the call in flight was cut: {:?}", waiting.await);
    // The revision comes from beside.
    admin_key(dir.path()).await;
    let answer = time::timeout(Duration::from_secs(5), waiting).await.unwrap().unwrap().unwrap();
    assert!(answer.into_inner().read_at.unwrap().number >= next);
    drop(somebody);
    let status = program.ended(Duration::from_secs(10)).await;
    assert_eq!(status.code(), Some(0), "{status:?}");
    assert!(began.elapsed() < Duration::from_secs(10), "it took {:?}", began.elapsed());
    let log = fs::read_to_string(&program.log).unwrap();
    for message in ["stopping", "stopped"] {
        assert!(log.contains(&format!("\"message\":\"{message}\"")), "{log}");
    }
    // That it is served in plain text is always said.
    let mut bad = log.lines().filter(|it| it.contains("WARN") || it.contains("ERROR"));
    assert!(bad.all(|it| it.contains("plain text: a key suffices")), "{log}");
}

#[tokio::test]
async fn a_terminated_hub_does_not_wait_for_ever() {
    let dir = tempfile::tempdir().unwrap();
    let key = admin_key(dir.path()).await;
    let mut program = Program::serve(dir.path(), &["--call-ms", "60000"]).await;
    // Somebody watches, somebody's call takes longer than the hub may, and somebody said nothing yet.
    let _watched = watch(operators(&program)).await;
    let somebody = program.as_(&key);
    let requirement = Some(pb::consistency::Requirement::AtLeast(i64::MAX));
    let consistency = Some(pb::Consistency { requirement });
    let mut units = somebody.units();
    let waiting = task::spawn(async move {
        units.get_unit(pb::GetUnitRequest { unit: id(1), consistency }).await
    });
    task::yield_now().await;
    somebody.info().get_info(pb::GetInfoRequest {}).await.unwrap();
    let _silent = tokio::net::TcpStream::connect(program.address).await.unwrap();
    let began = Instant::now();
    program.terminate();
    let status = program.ended(Duration::from_secs(12)).await;
    assert_eq!(status.code(), Some(0), "{status:?}");
    assert!(began.elapsed() < Duration::from_secs(10), "it took {:?}", began.elapsed());
    let cut = time::timeout(Duration::from_secs(5), waiting).await.unwrap().unwrap();
    assert!(cut.is_err());
}

#[tokio::test]
async fn an_idle_hub_stops_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let key = admin_key(dir.path()).await;
    let mut program = Program::serve(dir.path(), &[]).await;
    // A connection that is kept, without a call on it.
    let somebody = program.as_(&key);
    somebody.info().get_info(pb::GetInfoRequest {}).await.unwrap();
    let began = Instant::now();
    program.terminate();
    let status = program.ended(Duration::from_secs(10)).await;
    assert_eq!(status.code(), Some(0), "{status:?}");
    assert!(began.elapsed() < Duration::from_secs(4), "it took {:?}", began.elapsed());
    // Everything went into the one file.
    let left = |name: &str| dir.path().join(name).exists();
    assert!(left("hub.db") && !left("hub.db-wal"), "the log was not written back");
}

// === two hubs ===

#[tokio::test]
async fn two_hubs_in_one_process_do_not_disturb_each_other() {
    let (one, two) = (Hub::start().await, Hub::start().await);
    let before = two.hub.revisions.head();
    let grants = Grants { publish_units: true, ..Default::default() };
    let publisher = one.system("so-noi-vu", grants).await;
    assert!(one.hub.revisions.head().newest.number > before.newest.number);
    assert_eq!(two.hub.revisions.head(), before);
    // A key of the one is no key of the other.
    let Key(key) = publisher.key;
    let stranger = two.as_(key.as_deref().unwrap());
    let refused = stranger.access().who_am_i(pb::WhoAmIRequest {}).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::Unauthenticated);
    let who_am_i = "/sharehub.v1.AccessService/WhoAmI";
    let count = |hub: &Hub| hub.meter.count(who_am_i, tonic::Code::Unauthenticated);
    assert_eq!((count(&one), count(&two)), (0, 1));
    // Stopped, the one leaves the other alone.
    one.stop().await;
    let admin = sharehub::caller::SystemCode::parse("admin").unwrap();
    access::store::issue_key(&two.hub, access::queries::Issue { system: admin, expires_at: None })
        .await
        .unwrap();
    assert_eq!(two.hub.revisions.head().newest.number, before.newest.number + 1);
}
