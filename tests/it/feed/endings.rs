//! How watches end: rights that are lost, limits, slow readers, deadlines, and a hub that stops.
use std::time::Duration;

use sharehub::{
    limits::Limits,
    pb::{self, FeedChangeType as ChangeType, watch_request::From},
};
use tokio::time;
use tonic::{Code, Status, Streaming, transport::Endpoint};
use tonic_types::StatusExt;

use crate::support::{
    client::{Client, Grants, all_indicators, refusal},
    desk::{Desk, count, revision},
    history::{History, all, key, saw},
    hub::slow,
};

/// How a watch ends.
async fn ending(watch: &mut Streaming<pb::WatchResponse>) -> Option<Status> {
    let end = async {
        loop {
            match watch.message().await {
                Ok(Some(_)) => {}
                Ok(None) => return None,
                Err(status) => return Some(status),
            }
        }
    };
    time::timeout(Duration::from_secs(20), end).await.expect("the watch ends")
}

fn reason(status: Status) -> String {
    refusal(Err::<(), _>(status)).1
}

// === rights ===

/// A value that no time, number or hash holds by chance.
const UNSEEN: i64 = 987_654_321_987_654;

#[tokio::test]
async fn a_right_that_is_lost_is_told_and_nothing_of_it_comes_any_more() {
    let desk = Desk::start().await;
    let communes = desk.communes().await;
    desk.define(vec![count("secret.count")]).await;
    let words = |it: &[&str]| it.iter().map(|it| (*it).to_owned()).collect();
    let grants = |it: &[&str]| Grants { read_indicators: words(it), ..Default::default() };
    let reader = desk.hub.system("ioc", grants(&["doc.*", "secret.*"])).await;
    let register = async |grants| desk.hub.register("ioc", grants).await;
    let mut history = History::of(all());
    let mut watch = history.watch(&reader, Some(From::Now(true))).await.unwrap();
    let told = desk.publish(vec![saw("secret.count", communes[0], "2024", 1)]).await;
    history.until(&mut watch, revision(&told)).await;
    assert_eq!(history.changes.len(), 1);
    register(grants(&["doc.*"])).await;
    desk.publish(vec![saw("secret.count", communes[0], "2024", UNSEEN)]).await;
    let open = desk.publish(vec![saw("doc.count", communes[0], "2024", 2)]).await;
    history.until(&mut watch, revision(&open)).await;
    let lost = &history.changes[1];
    assert_eq!(lost.r#type(), AccessLost);
    assert_eq!(key(lost), r#"access Some(Indicator("secret.count"))"#);
    assert!(
        !format!("{:?}", history.changes).contains(&UNSEEN.to_string()),
        "nothing after the loss"
    );
    register(grants(&["doc.*", "secret.count"])).await;
    let back = desk.publish(vec![saw("secret.count", communes[0], "2024", 3)]).await;
    history.until(&mut watch, revision(&back)).await;
    let types: Vec<_> = history.changes.iter().map(pb::FeedChange::r#type).collect();
    use ChangeType::{AccessGained, AccessLost, Set};
    assert_eq!(types, [Set, AccessLost, Set, AccessGained, Set]);
}

#[tokio::test]
async fn a_watch_ends_when_its_key_is_revoked_or_its_system_disabled() {
    let desk = Desk::start().await;
    let mut admin = desk.hub.admin().access();
    for disable in [false, true] {
        let reader = desk.hub.system("ioc", all_indicators()).await;
        let mut history = History::of(all());
        let mut watch = history.watch(&reader, Some(From::Now(true))).await.unwrap();
        history.until(&mut watch, 1).await;
        let began = time::Instant::now();
        if disable {
            let request = pb::DisableSystemRequest { code: "ioc".to_owned(), ..Default::default() };
            admin.disable_system(request).await.unwrap();
        } else {
            let key = reader.key.0.clone().unwrap();
            let key_id = key.split('_').nth(1).unwrap().to_owned();
            let request = pb::RevokeKeyRequest { key_id, ..Default::default() };
            admin.revoke_key(request).await.unwrap();
        }
        let status = ending(&mut watch).await.expect("a refusal");
        assert_eq!(
            (status.code(), reason(status).as_str()),
            (Code::Unauthenticated, "CALLER_UNKNOWN")
        );
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    }
}

// === limits and endings ===

#[tokio::test]
async fn watches_are_limited_for_each_system_and_in_all_and_given_back() {
    let limits = Limits { watches: 3, watches_each: 2, ..slow() };
    let desk = Desk::with(limits).await;
    let other = desk.hub.system("other", all_indicators()).await;
    let third = desk.hub.system("third", all_indicators()).await;
    let open =
        async |client: &Client| History::of(all()).watch(client, Some(From::Now(true))).await;
    let (a, b) = (open(&desk.source).await.unwrap(), open(&desk.source).await.unwrap());
    let full = (Code::ResourceExhausted, "TOO_MANY_STREAMS".to_owned(), vec![]);
    assert_eq!(refusal(open(&desk.source).await), full, "two for each");
    let c = open(&other).await.unwrap();
    assert_eq!(refusal(open(&third).await), full, "three in all");
    drop((a, c));
    let last = time::Instant::now() + Duration::from_secs(10);
    while open(&third).await.is_err() {
        assert!(time::Instant::now() < last, "places are not given back");
        time::sleep(Duration::from_millis(10)).await;
    }
    drop(b);
}

#[tokio::test]
async fn a_hub_that_stops_ends_its_watches_at_once_and_they_go_on_elsewhere() {
    let desk = Desk::start().await;
    let communes = desk.communes().await;
    let mut history = History::of(all());
    let mut watch = history.watch(&desk.source, Some(From::Now(true))).await.unwrap();
    history.until(&mut watch, 1).await;
    let receipt = desk.publish(vec![saw("doc.count", communes[0], "2024", 1)]).await;
    let other = desk.hub.another().await;
    let there = Client { channel: other.channel.clone(), key: desk.source.key.clone() };
    let began = time::Instant::now();
    desk.hub.stop().await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    let end = loop {
        match watch.message().await {
            Ok(Some(message)) => history.take(message),
            Ok(None) => break None,
            Err(status) => break Some(status),
        }
    };
    let status = end.expect("it says why");
    assert_eq!((status.code(), reason(status).as_str()), (Code::Unavailable, "UNAVAILABLE"));
    let mut watch = history.resume(&there).await.unwrap();
    history.until(&mut watch, revision(&receipt)).await;
    assert_eq!(history.changes.len(), 1);
}

#[tokio::test]
async fn a_callers_own_deadline_ends_its_watch() {
    let desk = Desk::start().await;
    let mut request =
        tonic::Request::new(pb::WatchRequest { filters: all(), from: None, bookmark_seconds: 1 });
    request.set_timeout(Duration::from_secs(3));
    let began = time::Instant::now();
    // The client's own timer may be first: what counts is that it ends.
    if let Ok(answer) = desk.source.feed().watch(request).await {
        let status = ending(&mut answer.into_inner()).await.expect("a refusal");
        let codes = [Code::DeadlineExceeded, Code::Cancelled];
        assert!(codes.contains(&status.code()), "{status:?}");
    }
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_slow_reader_is_ended_with_the_token_to_go_on_and_a_stalled_one_cut() {
    let desk = Desk::with(Limits { slow: Duration::from_secs(1), ..slow() }).await;
    let communes = desk.communes().await;
    let mut history = History::of(all());
    let mut watch = history.watch(&desk.source, Some(From::Now(true))).await.unwrap();
    history.until(&mut watch, 1).await;
    drop(watch);
    // More than all buffers in between hold.
    for year in 2_000..2_012 {
        let period = year.to_string();
        let entries =
            communes.iter().take(3_000).map(|it| saw("doc.count", *it, &period, 1)).collect();
        desk.publish(entries).await;
    }
    let narrow = Endpoint::from_shared(format!("http://{}", desk.hub.address)).unwrap();
    let narrow = narrow.initial_stream_window_size(65_535).connect().await.unwrap();
    let narrow = Client { channel: narrow, key: desk.source.key.clone() };
    let mut watch = history.resume(&narrow).await.unwrap();
    history.take(watch.message().await.unwrap().unwrap());
    time::sleep(Duration::from_millis(1_600)).await;
    let last = time::Instant::now() + Duration::from_secs(60);
    let status = loop {
        match time::timeout_at(last, watch.message()).await.expect("it is not ended") {
            Ok(message) => history.take(message.expect("it does not end well")),
            Err(status) => break status,
        }
    };
    let ended = refusal(Err::<(), _>(status));
    assert_eq!((ended.0, ended.1.as_str()), (Code::ResourceExhausted, "READER_TOO_SLOW"));
    let mut watch = history.resume(&desk.source).await.unwrap();
    history.until(&mut watch, desk.head().await).await;
    assert_eq!(history.changes.len(), 36_000);

    let mut stalled = History::of(all());
    let mut watch = stalled.watch(&narrow, Some(From::Beginning(true))).await.unwrap();
    time::sleep(Duration::from_secs(5)).await;
    let end = ending(&mut watch).await.expect("its connection was cut");
    assert!(end.get_details_error_info().is_none(), "nothing could be said: {end:?}");
}
