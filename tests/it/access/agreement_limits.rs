//! Limits: exactly so many calls, whoever makes them, at whichever hub, before and after a restart.
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use sharehub::pb::{self, AgreementOperation as Operation, LimitWindow as Window};
use tokio::{task::JoinSet, time};
use tonic::Code;
use tonic_types::StatusExt;

use crate::support::{
    agreements::{ask, by},
    client::{Client, Grants, PURPOSE, agreement},
    desk::Desk,
};

/// Asks from so many clients at once, each so often, at these hubs in turns: how many were answered, and how many
/// were not.
async fn ask_all(clients: &[Client], at_once: usize, each: usize) -> (usize, usize) {
    let (answered, refused) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let mut asking = JoinSet::new();
    for number in 0..at_once {
        let client = clients[number % clients.len()].clone();
        let (answered, refused) = (Arc::clone(&answered), Arc::clone(&refused));
        asking.spawn(async move {
            for _ in 0..each {
                match ask(&client, PURPOSE).await {
                    Ok(_) => answered.fetch_add(1, Ordering::Relaxed),
                    Err(status) => {
                        let info = status.get_details_error_info().unwrap();
                        assert_eq!(info.reason, "ERROR_REASON_QUOTA_EXCEEDED", "{status:?}");
                        assert_eq!(status.code(), Code::ResourceExhausted);
                        assert!(status.get_details_retry_info().is_some(), "{status:?}");
                        refused.fetch_add(1, Ordering::Relaxed)
                    }
                };
            }
        });
    }
    asking.join_all().await;
    (answered.load(Ordering::Relaxed), refused.load(Ordering::Relaxed))
}

fn limited(calls: i64, per: Window) -> pb::Agreement {
    pb::Agreement {
        limits: vec![pb::CallLimit { calls, per: per.into() }],
        ..agreement("ioc.one", "ioc", &[Operation::Read], by(&["*"]))
    }
}

#[tokio::test]
async fn of_a_quota_of_1000_exactly_1000_are_answered_to_64_clients_by_two_hubs_across_a_restart() {
    let desk = Desk::start().await;
    let ioc = desk.hub.system("ioc", Grants::default()).await;
    desk.hub.grant(limited(1_000, Window::Month)).await;
    let (second, third) = (desk.hub.another().await, desk.hub.another().await);
    let at = |hub: &crate::support::hub::Hub| Client {
        channel: hub.channel.clone(),
        key: ioc.key.clone(),
    };
    let (answered, refused) = ask_all(&[ioc.clone(), at(&second)], 64, 8).await;
    assert_eq!((answered, refused), (512, 0));
    // One hub goes, another one comes.
    second.stop().await;
    let (answered, refused) = ask_all(&[ioc.clone(), at(&third)], 64, 12).await;
    assert_eq!((answered, refused), (488, 280), "not exactly 1,000");
    // More is granted: it counts on, and does not begin anew.
    desk.hub.grant(limited(1_010, Window::Month)).await;
    let (answered, _) = ask_all(&[ioc.clone(), at(&third)], 8, 4).await;
    assert_eq!(answered, 10);
}

#[tokio::test]
async fn a_rate_begins_anew_when_the_refusal_says() {
    let desk = Desk::start().await;
    let ioc = desk.hub.system("ioc", Grants::default()).await;
    let both = pb::Agreement {
        limits: vec![
            pb::CallLimit { calls: 5, per: Window::Second.into() },
            pb::CallLimit { calls: 9, per: Window::Month.into() },
        ],
        ..limited(1, Window::Day)
    };
    desk.hub.grant(both).await;
    let mut answered = 0;
    let status = loop {
        match ask(&ioc, PURPOSE).await {
            Ok(_) => answered += 1,
            Err(status) => break status,
        }
        if answered == 9 {
            // A slow machine: the seconds went by. The month did not.
            break ask(&ioc, PURPOSE).await.unwrap_err();
        }
    };
    let facts = status.get_details_error_info().unwrap().metadata;
    let wait = status.get_details_retry_info().unwrap().retry_delay.unwrap();
    if facts["per"] == "SECOND" {
        assert!(wait <= Duration::from_secs(1), "{wait:?}");
        time::sleep(wait).await;
        ask(&ioc, PURPOSE).await.unwrap();
        answered += 1;
    }
    // What one limit refused is not counted by the other.
    while answered < 9 {
        match ask(&ioc, PURPOSE).await {
            Ok(_) => answered += 1,
            Err(_) => time::sleep(Duration::from_millis(50)).await,
        }
    }
    time::sleep(Duration::from_millis(1_050)).await;
    let status = ask(&ioc, PURPOSE).await.unwrap_err();
    let facts = status.get_details_error_info().unwrap().metadata;
    assert_eq!((facts["per"].as_str(), facts["calls"].as_str()), ("MONTH", "9"));
    let wait = status.get_details_retry_info().unwrap().retry_delay.unwrap();
    assert!(wait <= Duration::from_secs(31 * 86_400), "{wait:?}");
}
