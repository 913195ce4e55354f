//! Consumers of the feed: how far each has come.
use sharehub::pb::{self, watch_request::From};

use crate::support::{
    client::{Client, refusal},
    desk::Desk,
    history::{History, all, saw},
};

// === acknowledging ===

#[tokio::test]
async fn an_operator_sees_who_lags() {
    let desk = Desk::start().await;
    let communes = desk.communes().await;
    let mut history = History::of(all());
    let mut watch = history.watch(&desk.source, Some(From::Now(true))).await.unwrap();
    history.until(&mut watch, desk.head().await).await;
    let say = async |token: &str| {
        let (consumer, resume_token) = ("wall".to_owned(), token.to_owned());
        let request = pb::AcknowledgeRequest { consumer, resume_token };
        desk.source.feed().acknowledge(request).await
    };
    let answer = say(&history.token).await.unwrap().into_inner();
    assert_eq!(answer.revisions_behind, 0);
    for value in 0..3 {
        desk.publish(vec![saw("doc.count", communes[0], "2024", value)]).await;
    }
    let answer = say(&history.token).await.unwrap().into_inner();
    assert_eq!(answer.revisions_behind, 3);
    assert_eq!(answer.newest.unwrap().number, desk.head().await, "it makes no revision");
    assert_eq!(refusal(say("nonsense").await).2, ["resume_token"]);
    let list = async |client: &Client| {
        client.feed().list_consumers(pb::ListConsumersRequest::default()).await
    };
    assert_eq!(refusal(list(&desk.source).await).1, "NOT_PERMITTED");
    let listed = list(&desk.hub.admin()).await.unwrap().into_inner();
    let [one] = listed.consumers.as_slice() else { panic!("{listed:?}") };
    assert_eq!(
        (one.system.as_str(), one.consumer.as_str()),
        (crate::support::desk::SOURCE, "wall")
    );
    assert_eq!((one.revision, one.revisions_behind), (history.through, 3));
    history.until(&mut watch, desk.head().await).await;
    say(&history.token).await.unwrap();
    let listed = list(&desk.hub.admin()).await.unwrap().into_inner();
    let [one] = listed.consumers.as_slice() else { panic!("{listed:?}") };
    assert_eq!((one.revisions_behind, one.seconds_behind), (0, 0));
}

#[tokio::test]
async fn few_consumers_of_a_system_are_kept() {
    let desk = Desk::start().await;
    let mut history = History::of(all());
    let mut watch = history.watch(&desk.source, Some(From::Now(true))).await.unwrap();
    history.until(&mut watch, desk.head().await).await;
    let say = async |name: String| {
        let (consumer, resume_token) = (name, history.token.clone());
        let request = pb::AcknowledgeRequest { consumer, resume_token };
        desk.source.feed().acknowledge(request).await.unwrap();
    };
    for i in 0..40 {
        say(format!("wall-{i:02}")).await;
        // One that goes on is kept, however many others come.
        say("board".to_owned()).await;
    }
    let list = pb::ListConsumersRequest::default();
    let listed = desk.hub.admin().feed().list_consumers(list).await.unwrap().into_inner();
    let names: Vec<_> = listed.consumers.into_iter().map(|it| it.consumer).collect();
    let newest = (9..40).map(|it| format!("wall-{it:02}"));
    assert_eq!(names, std::iter::once("board".to_owned()).chain(newest).collect::<Vec<_>>());
}
