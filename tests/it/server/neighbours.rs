//! Neighbours get little: a call that does not come whole takes nobody's place, and no system takes the places of all.
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use prost::Message;
use sharehub::{limits::Limits, pb};
use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    task::JoinSet,
    time::{self, Instant},
};
use tonic::Code;
use tonic_types::StatusExt;

use crate::support::{
    call_log::GET_UNIT,
    client::{Client, Grants, gso},
    engine::scale,
    frames::{HELLO, frame as h2_frame, head},
    hub::{Hub, slow, until},
    raw::{Raw, announced, frame, post, unary},
};

/// Asks for a unit at the newest revision, or at one that is not there yet.
fn ask(at_least: Option<i64>) -> pb::GetUnitRequest {
    let requirement = at_least.map(pb::consistency::Requirement::AtLeast);
    let consistency = requirement.map(|it| pb::Consistency { requirement: Some(it) });
    pb::GetUnitRequest { unit: gso("86", "2026-01-01"), consistency }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_without_messages_take_nobodys_place() {
    let connections: usize = scale("SHAREHUB_TEST_CONNECTIONS", 6);
    let hub = Hub::with(Limits { longest: Duration::from_secs(120), ..Limits::default() }).await;
    let greedy = hub.system("so-y-te", Grants::default()).await.key.0.unwrap();
    let block = head(GET_UNIT, Some(&greedy));
    let mut held = Vec::new();
    for _ in 0..connections {
        let mut stream = TcpStream::connect(hub.address).await.unwrap();
        let heads = (0..100_u32).flat_map(|it| h2_frame(1, 4, 2 * it + 1, &block));
        stream.write_all(&[HELLO.to_vec(), heads.collect()].concat()).await.unwrap();
        held.push(stream);
    }
    let (mut times, other) = (Vec::new(), Hub::narrow(&hub, &hub.admin(), 65_535));
    let began = Instant::now();
    while times.len() < 400 && began.elapsed() < Duration::from_secs(20) {
        let asked = Instant::now();
        other.units().get_unit(ask(None)).await.unwrap();
        times.push(asked.elapsed());
    }
    times.sort_unstable();
    println!(
        "{} heads on {connections} connections: {} calls of another, none refused, p99 {:?}",
        connections * 100,
        times.len(),
        times[(times.len() - 1) * 99 / 100]
    );
    assert!(times.len() >= 20, "{}", times.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_system_takes_the_places_of_all() {
    let hub = Hub::with(Limits { in_flight: 16, ..slow() }).await;
    let greedy = hub.system("so-y-te", Grants::default()).await;
    let next = hub.hub.revisions.head().newest.number + 1_000;
    let mut calls = JoinSet::new();
    for _ in 0..30 {
        let client: Client = greedy.clone();
        calls.spawn(async move { client.units().get_unit(ask(Some(next))).await.unwrap_err() });
    }
    // Half of the places are its share; what is above it is refused, and says so.
    for _ in 0..22 {
        let status = calls.join_next().await.unwrap().unwrap();
        assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
        assert!(status.message().contains("8 calls of this system are in flight"), "{status:?}");
        let details = status.get_error_details();
        assert_eq!(details.error_info().unwrap().reason, "ERROR_REASON_OVERLOADED");
        assert!(details.retry_info().unwrap().retry_delay.is_some());
    }
    assert_eq!(calls.len(), 8);
    // Another one has the other half.
    for _ in 0..50 {
        hub.admin().units().get_unit(ask(None)).await.unwrap();
    }
    // Nor do strangers take any of it.
    let refused = hub.nobody().units().get_unit(ask(None)).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    calls.shutdown().await;
    until("its places are free again", async || greedy.units().get_unit(ask(None)).await.is_ok())
        .await;
}

#[tokio::test]
async fn a_message_that_does_not_come_is_not_waited_for_long() {
    let hub = Hub::start().await;
    let key = hub.admin().key.0;
    let raw = Raw::connect(hub.address).await;
    let begun = |bytes: Vec<u8>| {
        let first = futures_util::stream::iter([Ok::<_, std::io::Error>(Bytes::from(bytes))]);
        let body = futures_util::StreamExt::chain(first, futures_util::stream::pending());
        post(GET_UNIT, key.as_deref()).body(Body::from_stream(body)).unwrap()
    };
    for bytes in [vec![], vec![0, 0], announced(100, b"ab"), frame(&ask(None).encode_to_vec())] {
        let answer = time::timeout(Duration::from_secs(60), raw.call(begun(bytes))).await.unwrap();
        assert_eq!(
            (answer.code(), answer.reason().as_str()),
            (Code::DeadlineExceeded, "OUT_OF_TIME")
        );
        assert!(answer.status().message().contains("the message did not come"), "{answer:?}");
    }
    // One that comes in pieces is taken, however many they are.
    let pieces = frame(&ask(None).encode_to_vec());
    let pieces = pieces.into_iter().map(|it| Ok::<_, std::io::Error>(Bytes::from(vec![it])));
    let slowly = futures_util::StreamExt::then(futures_util::stream::iter(pieces), async |it| {
        time::sleep(Duration::from_millis(5)).await;
        it
    });
    let body = Body::from_stream(slowly);
    let answer = raw.call(post(GET_UNIT, key.as_deref()).body(body).unwrap()).await;
    assert_eq!(answer.code(), Code::Ok);
}

#[tokio::test]
async fn what_is_no_call_is_told_so_in_the_words_of_http() {
    let hub = Hub::start().await;
    let key = hub.admin().key.0.unwrap();
    let raw = Raw::connect(hub.address).await;
    let message = frame(&ask(None).encode_to_vec());
    for (method, kind, status) in [
        ("POST", Some("application/json"), 415),
        ("POST", Some("application/grpc-web+proto"), 415),
        ("POST", None, 415),
        ("GET", None, 415),
        ("GET", Some("application/grpc"), 405),
    ] {
        let mut request =
            http::Request::builder().method(method).uri(format!("http://hub{GET_UNIT}"));
        if let Some(kind) = kind {
            request = request.header("content-type", kind);
        }
        let answer = raw.call(request.body(Body::from(message.clone())).unwrap()).await;
        assert_eq!(answer.http.as_u16(), status, "{method} {kind:?}");
        assert_eq!(answer.reason(), "NOT_GRPC");
    }
    // Two messages are one too many; an odd request id is replaced, and ends nothing.
    let two = [message.clone(), message.clone()].concat();
    let answer = raw.call(post(GET_UNIT, Some(&key)).body(Body::from(two)).unwrap()).await;
    assert_eq!(
        (answer.code(), answer.reason().as_str()),
        (Code::InvalidArgument, "MESSAGE_MALFORMED")
    );
    let mut request = unary(GET_UNIT, Some(&key), &ask(None).encode_to_vec());
    request.headers_mut().insert("x-request-id", http::HeaderValue::from_static("a\tb"));
    let answer = raw.call(request).await;
    assert_eq!((answer.code(), answer.head["x-request-id"].len()), (Code::Ok, 36));
}
