//! Rights that are taken away: from the answer on, no hub of the store lets anybody use them.
//!
//! `SHAREHUB_TEST_REVOKED` is the number of agreements that are revoked (1,000 at full scale).
use std::time::Duration;

use sharehub::pb::{self, AgreementOperation as Operation, watch_request::From};
use tokio::{task::JoinSet, time};
use tonic::Code;

use crate::support::{
    agreements::{ask, by},
    client::{Client, Grants, PURPOSE, agreement, refusal},
    desk::Desk,
    engine::scale,
    history::{History, indicators},
    hub::Hub,
    program::{Program, admin_key},
};

/// Clients that read at the same time, at each hub.
const READERS: usize = 2;

async fn revoke(hub: &Hub, code: String) {
    let request = pb::RevokeAgreementRequest { code, ..Default::default() };
    // What is not answered is sent again: two writers of one file may stand in each other's way for long.
    while let Err(status) = hub.admin().access().revoke_agreement(request.clone()).await {
        assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    }
}

/// Waits until a hub has learned of a grant.
async fn until_granted(client: &Client, purpose: &str) {
    let last = time::Instant::now() + Duration::from_secs(30);
    while let Err(status) = ask(client, purpose).await {
        let reason = refusal(Err::<(), _>(status)).1;
        // It may not have heard of the key either.
        let not_yet = ["NOT_PERMITTED", "CALLER_UNKNOWN", "UNAVAILABLE"];
        assert!(not_yet.contains(&reason.as_str()), "{reason}");
        assert!(time::Instant::now() < last, "it is never granted");
        time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn revoked_then_read_is_never_answered_by_either_hub_and_watches_end_within_a_second() {
    let desk = std::sync::Arc::new(Desk::start().await);
    let other = std::sync::Arc::new(desk.hub.another().await);
    let rounds = scale("SHAREHUB_TEST_REVOKED", 100_usize);
    let at_once = 10;
    let mut revoking = JoinSet::new();
    for number in 0..at_once {
        let (desk, other) = (std::sync::Arc::clone(&desk), std::sync::Arc::clone(&other));
        let rounds = rounds.div_ceil(at_once);
        revoking.spawn(async move {
            let system = format!("reader-{number}");
            let here = desk.hub.system(&system, Grants::default()).await;
            let there = Client { channel: other.channel.clone(), key: here.key.clone() };
            for round in 0..rounds {
                let code = format!("{system}.{round}");
                let operations = [Operation::Read, Operation::Watch];
                desk.hub.grant(agreement(&code, &system, &operations, by(&["*"]))).await;
                until_granted(&here, PURPOSE).await;
                until_granted(&there, PURPOSE).await;
                // By turns through the one hub and the other.
                let (at, far) = if round % 2 == 0 { (&desk.hub, &there) } else { (&*other, &here) };
                let mut history = History::of(vec![indicators(&["*"])]);
                let mut watch = history.watch(far, Some(From::Now(true))).await.unwrap();
                // Others keep reading while it is revoked.
                let reading = {
                    let clients = [here.clone(), there.clone()];
                    tokio::spawn(async move { while ask(&clients[0], PURPOSE).await.is_ok() {} })
                };
                revoke(at, code).await;
                let answered = time::Instant::now();
                let mut asking = JoinSet::new();
                for client in [&here, &there] {
                    for _ in 0..READERS {
                        let client = client.clone();
                        asking.spawn(async move { ask(&client, PURPOSE).await });
                    }
                }
                for told in asking.join_all().await {
                    assert_eq!(refusal(told).1, "NOT_PERMITTED", "answered after the revoke");
                }
                let ending = async {
                    loop {
                        match watch.message().await {
                            Ok(message) => history.take(message.expect("it does not end well")),
                            Err(status) => break status,
                        }
                    }
                };
                let within = Duration::from_secs(1);
                let status = time::timeout_at(answered + within, ending).await;
                let status = status.expect("the watch ends within a second");
                assert_eq!(refusal(Err::<(), _>(status)).1, "NOT_PERMITTED");
                let lost = history.changes.iter();
                let lost = lost.filter(|it| it.r#type() == pb::FeedChangeType::AccessLost).count();
                assert_eq!(lost, 2, "{:?}", history.changes);
                reading.await.unwrap();
            }
        });
    }
    revoking.join_all().await;
}

#[tokio::test]
async fn a_hub_that_was_stopped_while_a_right_was_revoked_does_not_use_it_when_it_wakes() {
    let dir = tempfile::tempdir().unwrap();
    let admin = admin_key(dir.path()).await;
    let (one, two) = (Program::serve(dir.path(), &[]).await, Program::serve(dir.path(), &[]).await);
    let mut access = one.as_(&admin).access();
    let registration = pb::RegisterSystemRequest {
        code: "ioc".to_owned(),
        name: "ioc".to_owned(),
        ..Default::default()
    };
    access.register_system(registration).await.unwrap();
    let issue =
        pb::IssueKeyRequest { system: "ioc".to_owned(), expires_at: None, ..Default::default() };
    let key = access.issue_key(issue).await.unwrap().into_inner().key;
    for round in 0..5 {
        let code = format!("ioc.{round}");
        let one_agreement = agreement(&code, "ioc", &[Operation::Read], by(&["*"]));
        let grant =
            pb::GrantAgreementRequest { agreement: Some(one_agreement), ..Default::default() };
        access.grant_agreement(grant).await.unwrap();
        until_granted(&two.as_(&key), PURPOSE).await;
        // Its connection stands before it is stopped.
        let there = two.as_(&key);
        ask(&there, PURPOSE).await.unwrap();
        // And the call is on record: asleep with the store's lock in its hand, it would keep everybody waiting.
        time::sleep(Duration::from_secs(1)).await;
        two.signal("STOP");
        let revoke = pb::RevokeAgreementRequest { code, ..Default::default() };
        access.revoke_agreement(revoke).await.unwrap();
        // It is sent while it sleeps, and again as soon as it is awake.
        let early = tokio::spawn({
            let there = there.clone();
            async move { ask(&there, PURPOSE).await }
        });
        time::sleep(Duration::from_millis(50)).await;
        two.signal("CONT");
        let told = ask(&there, PURPOSE).await;
        assert_eq!(refusal(told).1, "NOT_PERMITTED", "answered after the revoke");
        assert_eq!(refusal(early.await.unwrap()).1, "NOT_PERMITTED", "answered after the revoke");
    }
}
