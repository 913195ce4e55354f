//! Resume tokens: whose they are, and until when they are good.
use sharehub::{
    db::Db,
    pb::{self, watch_request::From},
};
use tonic::Code;

use crate::support::{
    client::{Client, all_indicators, refusal},
    desk::Desk,
    history::{History, all, indicators},
};

// === tokens ===

#[tokio::test]
async fn a_token_that_is_forged_or_anothers_is_refused() {
    let desk = Desk::start().await;
    let other = desk.hub.system("other", all_indicators()).await;
    let mut history = History::of(all());
    let mut watch = history.watch(&desk.source, Some(From::Now(true))).await.unwrap();
    history.until(&mut watch, 1).await;
    let token = history.token.clone();
    let resume = async |client: &Client, filters: Vec<pb::WatchFilter>, token: &str| {
        let mut history = History { token: token.to_owned(), ..History::of(filters) };
        history.resume(client).await.map(|_| ())
    };
    assert!(resume(&desk.source, all(), &token).await.is_ok());
    let refused =
        (Code::InvalidArgument, "FIELD_INVALID".to_owned(), vec!["resume_token".to_owned()]);
    let flip = |at: usize| {
        let mut bytes = token.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        String::from_utf8(bytes).unwrap()
    };
    for at in [0, 10, token.len() / 2, token.len() - 2] {
        assert_eq!(
            refusal(resume(&desk.source, all(), &flip(at)).await),
            refused,
            "flipped at {at}"
        );
    }
    assert_eq!(refusal(resume(&other, all(), &token).await), refused, "another system's");
    let filters = vec![indicators(&["doc.count"])];
    assert_eq!(refusal(resume(&desk.source, filters, &token).await), refused, "another filter's");
    let page = pb::ListIndicatorsRequest {
        page: Some(pb::PageRequest { size: 1, token: String::new() }),
        ..Default::default()
    };
    let page = desk.source.indicators().list_indicators(page).await.unwrap().into_inner();
    let resumed = resume(&desk.source, all(), &page.next_page_token).await;
    assert_eq!(refusal(resumed), refused, "the token of a page");
}

#[tokio::test]
async fn after_a_restored_backup_a_watch_starts_over_and_says_so() {
    let desk = Desk::start().await;
    let mut history = History::of(all());
    let mut watch = history.watch(&desk.source, Some(From::Now(true))).await.unwrap();
    history.until(&mut watch, 1).await;
    let db = Db::open(&desk.hub.store.url).await.unwrap();
    sharehub::revision::store::renew_epoch(&db).await.unwrap();
    // The open watch, as soon as its hub knows, and one that comes later.
    let mut seen = History::default();
    while let Some(message) = watch.message().await.unwrap() {
        seen.take(message);
    }
    assert_eq!(seen.resyncs[0].reason(), pb::FeedResyncReason::Restored);
    let mut watch = history.resume(&desk.source).await.unwrap();
    history.take(watch.message().await.unwrap().unwrap());
    let resync = history.resyncs[0].clone();
    assert_eq!(resync.reason(), pb::FeedResyncReason::Restored);
    assert!(watch.message().await.unwrap().is_none(), "it ends");
    let mut fresh = History { token: resync.resume_token, in_state: true, ..History::of(all()) };
    let mut watch = fresh.resume(&desk.source).await.unwrap();
    fresh.until(&mut watch, desk.head().await).await;
    assert_eq!(fresh.copy.len(), 2, "{:?}", fresh.copy.keys());
}
