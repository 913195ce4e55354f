//! Loads through the wire: acknowledged as they become durable, gone on with after a cut, held back, ended for a
//! reason.
use sharehub::pb;
use tonic::Code;

use crate::support::{
    client::{Grants, all_indicators, refusal},
    desk::{Desk, saw},
    loads::{Sender, counts, entries, entry, items, open},
};

#[tokio::test]
async fn a_load_is_acknowledged_and_goes_on_from_there() {
    let desk = Desk::start().await;
    let units = &desk.communes().await[..500];
    let (sender, through) = Sender::open(&desk.source, "a").await;
    assert_eq!(through, 0);
    sender.send(1, entries(units, 1..=100)).await;
    sender.send(101, entries(units, 101..=250)).await;
    let (all, ended) = sender.close().await;
    ended.unwrap();
    assert_eq!(counts(&all), [250, 0, 0, 0]);
    assert_eq!(all.last().unwrap().durable_through, 250);
    assert_eq!(all.last().unwrap().revision.unwrap().number, desk.head().await);

    // Sent from the start again, it is skipped up to where it came; another load is another load.
    let (sender, through) = Sender::open(&desk.source, "a").await;
    assert_eq!(through, 250);
    let other =
        |number| pb::ObservationEntry { value: Some("7".to_owned()), ..entry(units, number) };
    sender.send(1, (1..=300).map(other).collect()).await;
    let (all, ended) = sender.close().await;
    ended.unwrap();
    assert_eq!(counts(&all), [50, 0, 0, 0], "250 were skipped");
    let (sender, through) = Sender::open(&desk.source, "b").await;
    assert_eq!(through, 0);
    sender.send(1, entries(units, 1..=10)).await;
    let (all, ended) = sender.close().await;
    ended.unwrap();
    assert_eq!(counts(&all), [0, 0, 10, 0]);
    let second = desk.hub.system("second", all_indicators()).await;
    assert_eq!(Sender::open(&second, "a").await.1, 0, "each system has loads of its own");
}

#[tokio::test]
async fn items_are_answered_as_a_publish_answers_them() {
    let desk = Desk::start().await;
    let (mut sender, _) = Sender::open(&desk.source, "a").await;
    let bad = pb::ObservationEntry {
        value: Some("1,5".to_owned()),
        ..saw("doc.count", "83", "2024", "")
    };
    let unknown = saw("doc.none", "83", "2024", "1");
    let good = saw("doc.count", "83", "2024", "1");
    sender.send(1, vec![good.clone(), bad, unknown, good]).await;
    let it = sender.acknowledged().await.unwrap();
    assert_eq!((it.durable_through, counts(std::slice::from_ref(&it))), (4, [1, 0, 1, 2]));
    let told: Vec<_> = it
        .rejected_items
        .iter()
        .map(|it| (it.number, it.reason().as_str_name(), it.violations[0].field.as_str()))
        .collect();
    let expected =
        [(2, "ERROR_REASON_FIELD_INVALID", "value"), (3, "ERROR_REASON_NOT_FOUND", "indicator")];
    assert_eq!(told, expected);
    // Nothing new is no revision, but it is acknowledged, and it is durable that it was.
    let before = desk.head().await;
    sender.send(5, vec![saw("doc.count", "83", "2024", "1")]).await;
    let it = sender.acknowledged().await.unwrap();
    assert_eq!((it.durable_through, it.unchanged), (5, 1));
    assert_eq!((it.revision.unwrap().number, desk.head().await), (before, before));
    drop(sender);
    assert_eq!(Sender::open(&desk.source, "a").await.1, 5);
}

#[tokio::test]
async fn a_batch_out_of_order_ends_the_load_after_what_came_before_it() {
    let desk = Desk::start().await;
    let units = &desk.communes().await[..100];
    for (load, first, field) in [
        ("gap", 12, "batch.first"),
        ("back", 10, "batch.first"),
        ("start", 1, "batch.first"),
        ("zero", 0, "batch.first"),
        ("least", i64::MIN, "batch.first"),
        ("most", i64::MAX, "batch.first"),
    ] {
        let (sender, _) = Sender::open(&desk.source, load).await;
        sender.send(1, entries(units, 1..=10)).await;
        sender.send(first, entries(units, 1..=5)).await;
        let (all, ended) = sender.close().await;
        assert_eq!(all.last().unwrap().durable_through, 10, "{load}");
        let refused = refusal(ended);
        let expected = (Code::InvalidArgument, "FIELD_INVALID".to_owned(), vec![field.to_owned()]);
        assert_eq!(refused, expected, "{load}");
        let (sender, through) = Sender::open(&desk.source, load).await;
        assert_eq!(through, 10);
        // The first batch may begin too early, but not too late.
        sender.send(12, entries(units, 12..=12)).await;
        assert_eq!(sender.refused().await, expected, "{load}");
    }
}

#[tokio::test]
async fn messages_that_a_load_does_not_take_are_refused() {
    let desk = Desk::start().await;
    let entry = || saw("doc.count", "83", "2024", "1");
    let nothing = pb::IngestObservationsRequest { step: None };
    let many = vec![entry(); 10_001];
    let rows: Vec<(&str, Vec<pb::IngestObservationsRequest>, &str)> = vec![
        ("items first", vec![items(1, vec![entry()])], "open"),
        ("opened twice", vec![open("a"), open("a")], "open"),
        ("no name", vec![open("")], "open.load"),
        ("a blank name", vec![open(" ")], "open.load"),
        ("a long name", vec![open(&"x".repeat(129))], "open.load"),
        ("a control character", vec![open("a\0")], "open.load"),
        ("an empty batch", vec![open("a"), items(1, vec![])], "batch.observations"),
        ("too many", vec![open("a"), items(1, many)], "batch.observations"),
        ("nothing", vec![nothing], "step"),
    ];
    for (what, messages, field) in rows {
        let sender = Sender::silent(&desk.source).await.unwrap();
        for message in messages {
            sender.say(message).await;
        }
        let mut sender = sender;
        sender.sends = None;
        let ended = loop {
            match sender.next().await {
                Ok(Some(_)) => {}
                Ok(None) => break Ok(()),
                Err(status) => break Err(status),
            }
        };
        let expected = (Code::InvalidArgument, "FIELD_INVALID".to_owned(), vec![field.to_owned()]);
        assert_eq!(refusal(ended), expected, "{what}");
    }
    // Nothing said at all is nothing done.
    let mut sender = Sender::silent(&desk.source).await.unwrap();
    sender.sends = None;
    assert_eq!(sender.next().await.unwrap(), None);
    // A name of 128 characters, in Vietnamese, is a name.
    assert_eq!(Sender::open(&desk.source, &"ầ".repeat(128)).await.1, 0);
}

#[tokio::test]
async fn who_may_publish_nothing_may_load_nothing() {
    let desk = Desk::start().await;
    let reader = Grants { read_indicators: vec!["*".to_owned()], ..Default::default() };
    let reader = desk.hub.system("reader", reader).await;
    let refused = Sender::silent(&reader).await.map(|_| ());
    assert_eq!(refusal(refused).0, Code::PermissionDenied);
    // What is another's is refused item by item.
    let other = desk.hub.system("other", all_indicators()).await;
    let (mut sender, _) = Sender::open(&other, "a").await;
    sender.send(1, vec![saw("doc.count", "83", "2024", "1")]).await;
    let it = sender.acknowledged().await.unwrap();
    assert_eq!(it.rejected_items[0].reason(), pb::ErrorReason::NotAuthoritative);
}
