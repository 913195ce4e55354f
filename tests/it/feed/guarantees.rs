//! The guarantees of the feed, each by its name: ordered, unique, reliable, atomic, resumable, bookmarked.
use std::{collections::BTreeSet, time::Duration};

use sharehub::pb::{self, feed_change::Subject, watch_request::From};
use tokio::time;

use crate::support::{
    client::{Client, exactly, id},
    desk::{Desk, revision},
    history::{History, all, expected, indicators, saw, with},
};

// === the guarantees ===

#[tokio::test]
async fn ordered_unique_reliable_and_atomic() {
    let desk = Desk::start().await;
    let communes = desk.communes().await;
    let mut history = History::of(all());
    let mut watch = history.watch(&desk.source, Some(From::Now(true))).await.unwrap();
    let mut made = BTreeSet::new();
    let mut last = 0;
    for turn in 0..20_i64 {
        let unit = communes[usize::try_from(turn).unwrap()];
        // New, corrected, and the same again, which is no change.
        let entries = vec![
            saw("doc.count", unit, "2024", turn),
            saw("doc.count", communes[0], "2023", turn / 2),
            saw("doc.count", communes[1], "2023", 7),
        ];
        let receipt = desk.publish(entries.clone()).await;
        made.extend(expected(&receipt, &entries));
        last = revision(&receipt);
    }
    history.until(&mut watch, last).await;
    history.check(&made);
    assert!(history.changes.len() > 30, "{}", history.changes.len());
}

#[tokio::test]
async fn atomic_a_large_revision_comes_in_pieces_and_is_whole() {
    let desk = Desk::start().await;
    let communes = desk.communes().await;
    let mut history = History::of(all());
    let mut watch = history.watch(&desk.source, Some(From::Now(true))).await.unwrap();
    let mut few = History::of(vec![with(pb::IndicatorFilter {
        indicators: vec!["doc.count".to_owned()],
        units: vec![id(communes[4_321]).unwrap()],
        ..Default::default()
    })]);
    let mut few_watch = few.watch(&desk.source, None).await.unwrap();
    let entries: Vec<_> =
        communes.iter().take(10_000).map(|it| saw("doc.count", *it, "2024", 1)).collect();
    let first = desk.publish(vec![saw("doc.count", communes[0], "2023", 1)]).await;
    let large = desk.publish(entries.clone()).await;
    let last = desk.publish(vec![saw("doc.count", communes[0], "2022", 1)]).await;
    history.until(&mut watch, revision(&last)).await;
    assert_eq!(history.changes.len(), 10_002);
    let mut made: BTreeSet<_> = expected(&large, &entries).into_iter().collect();
    for (receipt, period) in [(&first, "2023"), (&last, "2022")] {
        made.extend(expected(receipt, &[saw("doc.count", communes[0], period, 1)]));
    }
    history.check(&made);
    few.until(&mut few_watch, revision(&last)).await;
    assert_eq!(few.changes.len(), 1, "{:?}", few.changes);
    assert_eq!(few.changes[0].revision, revision(&large));
}

#[tokio::test]
async fn resumable_after_every_message_and_from_the_log_as_from_memory() {
    let desk = Desk::start().await;
    let communes = desk.communes().await;
    // Another hub on the same store has seen nothing of it: it answers from the log.
    let mut history = History::of(all());
    drop(history.watch(&desk.source, Some(From::Now(true))).await.unwrap());
    let mut watch = history.resume(&desk.source).await.unwrap();
    history.until(&mut watch, desk.head().await).await;
    drop(watch);
    let (mut made, mut last) = (BTreeSet::new(), 0);
    for turn in 0..60_i64 {
        let unit = communes[usize::try_from(turn % 7).unwrap()];
        let entries = [saw("doc.count", unit, "2024", turn)];
        let receipt = desk.publish(entries.to_vec()).await;
        made.extend(expected(&receipt, &entries));
        last = revision(&receipt);
    }
    let other = desk.hub.another().await;
    let there = Client { channel: other.channel.clone(), key: desk.source.key.clone() };
    for turn in 0_u32.. {
        let client = if turn % 2 == 0 { &desk.source } else { &there };
        let mut watch = history.resume(client).await.unwrap();
        let message = watch.message().await.unwrap().unwrap();
        history.take(message);
        if history.through >= last {
            break;
        }
        // The whole backlog comes in one message; more comes meanwhile.
        if turn < 20 {
            let entries = [saw("doc.count", communes[9], "2024", 1_000 + i64::from(turn))];
            let receipt = desk.publish(entries.to_vec()).await;
            made.extend(expected(&receipt, &entries));
            last = revision(&receipt);
        }
    }
    history.check(&made);
}

#[tokio::test]
async fn bookmarked_also_when_nothing_matches() {
    let desk = Desk::start().await;
    let communes = desk.communes().await;
    let mut history = History::of(vec![indicators(&["doc.rate"])]);
    let mut watch = history.watch(&desk.source, Some(From::Now(true))).await.unwrap();
    let first = watch.message().await.unwrap().unwrap();
    history.take(first);
    assert_eq!((history.bookmarks, history.through), (1, desk.head().await), "at once");
    let began = time::Instant::now();
    let receipt = desk.publish(vec![saw("doc.count", communes[0], "2024", 1)]).await;
    history.until(&mut watch, revision(&receipt)).await;
    assert!(history.changes.is_empty(), "{:?}", history.changes);
    let waited = began.elapsed();
    assert!(waited < Duration::from_secs(10), "a bookmark was asked for every second: {waited:?}");
    let again = watch.message().await.unwrap().unwrap();
    history.take(again);
    assert_eq!(history.through, revision(&receipt), "and again, with nothing new at all");
}

#[tokio::test]
async fn from_the_beginning_comes_the_state_at_one_revision_and_then_what_follows() {
    let desk = Desk::start().await;
    let communes = desk.communes().await;
    let entries: Vec<_> =
        communes.iter().take(2_500).map(|it| saw("doc.count", *it, "2024", 1)).collect();
    desk.publish(entries).await;
    let corrected = desk.publish(vec![saw("doc.count", communes[7], "2024", 2)]).await;
    let mut history = History::of(all());
    let mut watch = history.watch(&desk.source, Some(From::Beginning(true))).await.unwrap();
    // It is cut in the middle of the state, and goes on there.
    let mut resumed = 0;
    while history.in_state {
        let message = watch.message().await.unwrap().unwrap();
        history.take(message);
        if !history.token.is_empty() && resumed < 3 {
            watch = history.resume(&desk.source).await.unwrap();
            resumed += 1;
            // What changes meanwhile is not part of the state.
            desk.publish(vec![saw("doc.count", communes[8], "2024", 100 + resumed)]).await;
        }
    }
    assert_eq!(resumed, 3);
    let state = revision(&corrected);
    assert_eq!(history.through, state);
    let observation = |it: &pb::FeedChange| match &it.subject {
        Some(Subject::Observation(it)) => Some(it.clone()),
        _ => None,
    };
    let kept = history.copy.values().filter_map(observation);
    let kept: Vec<_> = kept.collect();
    assert_eq!(kept.len(), 2_500);
    let mut asked = Vec::new();
    let mut page = pb::PageRequest { size: 1_000, token: String::new() };
    loop {
        let query = pb::QueryObservationsRequest {
            page: Some(page.clone()),
            consistency: exactly(state),
            ..Default::default()
        };
        let answer = desk.source.indicators().query_observations(query).await.unwrap().into_inner();
        asked.extend(answer.observations);
        page.token = answer.next_page_token;
        if page.token.is_empty() {
            break;
        }
    }
    let sorted = |mut all: Vec<pb::Observation>| {
        all.sort_by_key(|it| (it.indicator.clone(), it.unit.as_ref().unwrap().id));
        all
    };
    assert_eq!(sorted(kept), sorted(asked), "the state is what a query at its revision answers");
    assert_eq!(history.copy.keys().filter(|it| it.starts_with("indicator")).count(), 2);
    history.until(&mut watch, desk.head().await).await;
    assert_eq!(history.changes.len(), 3, "then what was published meanwhile");
}
