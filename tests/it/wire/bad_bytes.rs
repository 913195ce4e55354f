//! Bad bytes: whatever is sent, the hub answers or hangs up, soon, and goes on serving others.
use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderValue, Request};
use prost::Message;
use sharehub::{limits::Limits, pb};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time,
};
use tonic::Code;

use crate::support::{
    client::{Key, gso},
    hub::{Hub, slow},
    raw::{Raw, announced, frame, post, unary},
};

const GET_UNIT: &str = "/sharehub.v1.UnitService/GetUnit";
const PUBLISH: &str = "/sharehub.v1.IndicatorService/PublishObservations";
const WHO_AM_I: &str = "/sharehub.v1.AccessService/WhoAmI";

/// What an HTTP/2 connection begins with.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// An empty SETTINGS frame.
const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];

/// Soon, beside other tests on a busy machine.
const SOON: Duration = Duration::from_secs(5);

async fn still_serves(hub: &Hub) {
    let request = pb::GetInfoRequest {};
    time::timeout(SOON, hub.admin().info().get_info(request)).await.unwrap().unwrap();
}

// === messages ===

/// Field 1, nested in itself so many times. Unknown to the message: groups, which every parser must follow.
fn nested_groups(depth: usize) -> Vec<u8> {
    let mut bytes = vec![0x7b; depth];
    bytes.extend(vec![0x7c; depth]);
    bytes
}

/// Bytes that are no message of the request's type.
fn malformed() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let text = |bytes: &[u8]| {
        let length = u8::try_from(bytes.len()).unwrap();
        [&[0x0a, length], bytes].concat()
    };
    let inside = |bytes: &[u8]| {
        let length = u8::try_from(bytes.len()).unwrap();
        [&[0x1a, length], bytes].concat()
    };
    vec![
        ("a text that is not UTF-8", PUBLISH, text(&[0xff, 0xfe])),
        ("an overlong UTF-8 form", PUBLISH, text(&[0xc0, 0xaf])),
        ("a surrogate in UTF-8", PUBLISH, text(&[0xed, 0xa0, 0x80])),
        ("half a character", PUBLISH, text(&[0xe1, 0xbb])),
        ("a character beyond Unicode", PUBLISH, text(&[0xf5, 0x80, 0x80, 0x80])),
        ("a text that is not UTF-8, inside", PUBLISH, inside(&text(&[0xff]))),
        ("a text in a map that is not UTF-8", PUBLISH, inside(&[0x22, 0x03, 0x0a, 0x01, 0xff])),
        ("a length beyond the end", PUBLISH, vec![0x0a, 0x05, 0x61]),
        ("a length beyond the end of what is inside", PUBLISH, inside(&[0x0a, 0x7f, 0x61])),
        ("a length of 4 GiB", PUBLISH, vec![0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f]),
        (
            "a negative length",
            PUBLISH,
            vec![0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
        ),
        ("a key without a value", PUBLISH, vec![0x0a]),
        ("half a key", PUBLISH, vec![0x80]),
        ("field number 0", PUBLISH, vec![0x02, 0x01, 0x61]),
        ("wire type 7", PUBLISH, vec![0x0f, 0x01]),
        ("wire type 6", PUBLISH, vec![0x0e, 0x01]),
        ("a number of eleven bytes", PUBLISH, [&[0x10][..], &[0xff; 10], &[0x01]].concat()),
        ("a number that does not end", PUBLISH, vec![0x10, 0xff]),
        ("a text as a number", PUBLISH, vec![0x08, 0x01]),
        ("a number as a text", PUBLISH, vec![0x12, 0x01, 0x61]),
        ("a message as a number", GET_UNIT, vec![0x08, 0x01]),
        ("a group that ends without beginning", GET_UNIT, vec![0x7c]),
        ("a group that does not end", GET_UNIT, vec![0x7b]),
        ("a group that ends as another", GET_UNIT, vec![0x7b, 0x84, 0x01]),
        ("groups 101 deep", GET_UNIT, nested_groups(101)),
        ("groups 20,000 deep", GET_UNIT, nested_groups(20_000)),
        ("groups a million deep", GET_UNIT, nested_groups(1_000_000)),
        ("an unknown field that is cut off", WHO_AM_I, vec![0x7d, 0x01]),
        ("noise", WHO_AM_I, (0..=255).rev().collect()),
        ("text", WHO_AM_I, b"{\"unit\": 1}".to_vec()),
    ]
}

#[tokio::test]
async fn bytes_that_are_no_message_are_the_callers_fault() {
    let hub = Hub::start().await;
    let Key(key) = hub.system("so-y-te", crate::support::client::all_indicators()).await.key;
    let raw = Raw::connect(hub.address).await;
    let table = malformed();
    assert!(table.len() >= 20);
    for (what, path, bytes) in table {
        let began = Instant::now();
        let call = raw.call(unary(path, key.as_deref(), &bytes));
        let answer = time::timeout(SOON, call).await.unwrap_or_else(|_| panic!("{what}: a hang"));
        let got = (answer.code(), answer.reason());
        assert_eq!(got, (Code::InvalidArgument, "MESSAGE_MALFORMED".to_owned()), "{what}");
        assert!(began.elapsed() < SOON, "{what} took {:?}", began.elapsed());
    }
    still_serves(&hub).await;
}

#[tokio::test]
async fn nobodys_bytes_are_not_even_read() {
    let hub = Hub::start().await;
    let raw = Raw::connect(hub.address).await;
    for (what, path, bytes) in malformed() {
        let answer = time::timeout(SOON, raw.call(unary(path, None, &bytes))).await.unwrap();
        assert_eq!(answer.code(), Code::Unauthenticated, "{what}");
    }
}

#[tokio::test]
async fn a_message_that_is_odd_but_allowed_is_answered() {
    let hub = Hub::start().await;
    let Key(key) = hub.admin().key;
    let raw = Raw::connect(hub.address).await;
    let unit = gso("86", "2026-01-01");
    let known = pb::GetUnitRequest { unit, consistency: None }.encode_to_vec();
    let unknown_fields = [known.as_slice(), &[0xf8, 0x3f, 0x01, 0x82, 0x40, 0x01, 0x61]].concat();
    let groups = [known.as_slice(), &nested_groups(50)].concat();
    let repeated = known.repeat(10_000);
    for (what, bytes) in [("unknown", unknown_fields), ("groups", groups), ("merged", repeated)] {
        let answer = raw.call(unary(GET_UNIT, key.as_deref(), &bytes)).await;
        assert_eq!(answer.code(), Code::Ok, "{what}: {:?}", answer.status());
    }
}

#[tokio::test]
async fn frames_that_are_not_one_message_are_answered() {
    let hub = Hub::start().await;
    let Key(key) = hub.admin().key;
    let key = key.as_deref();
    let raw = Raw::connect(hub.address).await;
    let unit = gso("86", "2026-01-01");
    let known = pb::GetUnitRequest { unit, consistency: None }.encode_to_vec();
    let flagged = |flag: u8| {
        let mut frame = frame(&known);
        frame[0] = flag;
        frame
    };
    let malformed = [
        ("nothing", Vec::new()),
        ("half a prefix", vec![0, 0, 0]),
        ("a prefix and nothing", announced(7, b"")),
        ("a body that ends early", announced(100, b"abc")),
        ("a message and half a prefix", [frame(&known), vec![0, 0]].concat()),
        ("two messages", [frame(&known), frame(&known)].concat()),
        ("a message and half of one", [frame(&known), announced(100, b"abc")].concat()),
        ("a compressed message that nobody announced", flagged(1)),
        ("a flag that does not exist", flagged(0x7f)),
        ("no frame at all", known.clone()),
    ];
    for (what, bytes) in malformed {
        let request = post(GET_UNIT, key).body(Body::from(bytes)).unwrap();
        let answer = time::timeout(SOON, raw.call(request)).await.unwrap();
        let got = (answer.code(), answer.reason());
        assert_eq!(got, (Code::InvalidArgument, "MESSAGE_MALFORMED".to_owned()), "{what}");
    }
    still_serves(&hub).await;
}

#[tokio::test]
async fn the_limit_of_a_message_is_the_one_that_is_told() {
    let hub = Hub::with(Limits { message_bytes: 2_048, ..slow() }).await;
    let Key(key) = hub.admin().key;
    let raw = Raw::connect(hub.address).await;
    let info = hub.admin().info().get_info(pb::GetInfoRequest {}).await.unwrap().into_inner();
    assert_eq!(info.limits.unwrap().message_bytes, 2_048);
    // An unknown field fills the message up.
    let sized = |size: usize| {
        let filler = size - 4;
        let length = u16::try_from(filler).unwrap();
        let low = u8::try_from(length & 0x7f).unwrap() | 0x80;
        let high = u8::try_from(length >> 7).unwrap();
        [&[0xfa, 0x01, low, high][..], &vec![b'x'; filler]].concat()
    };
    for service in ["AccessService/WhoAmI", "HubService/GetInfo"] {
        let path = format!("/sharehub.v1.{service}");
        let fits = raw.call(unary(&path, key.as_deref(), &sized(2_048))).await;
        assert_eq!(fits.code(), Code::Ok, "{:?}", fits.status());
        let over = raw.call(unary(&path, key.as_deref(), &sized(2_049))).await;
        assert_eq!(over.code(), Code::ResourceExhausted);
        assert_eq!(over.reason(), "MESSAGE_TOO_LARGE");
    }
}

#[tokio::test]
async fn a_body_that_never_comes_ends_at_the_deadline() {
    let hub = Hub::with(Limits { longest: Duration::from_millis(300), ..slow() }).await;
    let Key(key) = hub.admin().key;
    let raw = Raw::connect(hub.address).await;
    let never = futures_util::stream::pending::<Result<Bytes, std::io::Error>>();
    let request = post(GET_UNIT, key.as_deref()).body(Body::from_stream(never)).unwrap();
    let answer = time::timeout(Duration::from_secs(10), raw.begin(request)).await.unwrap().unwrap();
    let status = tonic::Status::from_header_map(answer.headers()).unwrap();
    assert_eq!(status.code(), Code::DeadlineExceeded);
}

// === heads ===

#[tokio::test]
async fn junk_for_a_deadline_is_as_good_as_none() {
    let hub = Hub::start().await;
    let Key(key) = hub.admin().key;
    let raw = Raw::connect(hub.address).await;
    let junk: [&[u8]; 14] = [
        b"",
        b"S",
        b"1",
        b"-1S",
        b"+1S",
        b"1s",
        b"1x",
        b"junk",
        b"1.5S",
        b"999999999S",
        b" 1S",
        b"0x1S",
        b"1\xc3\xa9",
        b"\xe1\xbb\x99",
    ];
    for value in junk {
        let mut request = unary(WHO_AM_I, key.as_deref(), b"");
        request.headers_mut().insert("grpc-timeout", HeaderValue::from_bytes(value).unwrap());
        let answer = raw.call(request).await;
        assert_eq!(answer.code(), Code::Ok, "{:?}", String::from_utf8_lossy(value));
    }
}

#[tokio::test]
async fn an_odd_head_is_answered() {
    let hub = Hub::start().await;
    let Key(key) = hub.admin().key;
    let key = key.unwrap();
    let raw = Raw::connect(hub.address).await;
    let odd: [(&str, &[u8]); 6] = [
        ("traceparent", b"00-junk-junk-00"),
        ("traceparent", b"\xff\xff"),
        ("x-request-id", b"\xe1\xbb\x99 \xff"),
        ("x-request-id", b""),
        ("grpc-status-details-bin", b"not base64!"),
        ("user-agent", &[b'a'; 4_000]),
    ];
    for (name, value) in odd {
        let mut request = unary(WHO_AM_I, Some(&key), b"");
        request.headers_mut().insert(name, HeaderValue::from_bytes(value).unwrap());
        let answer = time::timeout(SOON, raw.call(request)).await.unwrap();
        assert_eq!(answer.code(), Code::Ok, "{name}: {:?}", String::from_utf8_lossy(value));
    }
    // Without `te`, and with a type that names the encoding.
    let request = Request::post(format!("http://hub{WHO_AM_I}"))
        .header("content-type", "application/grpc+proto")
        .header("authorization", format!("Bearer {key}"))
        .body(Body::from(frame(b"")))
        .unwrap();
    assert_eq!(raw.call(request).await.code(), Code::Ok);
}

#[tokio::test]
async fn a_huge_head_is_refused_and_harms_nobody() {
    let hub = Hub::start().await;
    let Key(key) = hub.admin().key;
    let key = key.as_deref();
    for (size, count) in [(20_000, 1), (100_000, 1), (10, 5_000)] {
        let raw = Raw::connect(hub.address).await;
        // A first call, so that the connection's settings are known to both.
        assert_eq!(raw.call(unary(WHO_AM_I, key, b"")).await.code(), Code::Ok);
        let mut request = unary(WHO_AM_I, key, b"");
        for index in 0..count {
            let name = format!("x-filler-{index}");
            let name = http::HeaderName::try_from(name).unwrap();
            let value = HeaderValue::from_bytes(&vec![b'a'; size]).unwrap();
            request.headers_mut().insert(name, value);
        }
        let answer = time::timeout(SOON, raw.try_call(request)).await.expect("a hang");
        match answer {
            Ok(answer) => assert_eq!(answer.http, 431, "{answer:?}"),
            // Hung up, or not sent at all, since the hub had said what it takes.
            Err(err) => assert!(!err.is_timeout(), "{err:?}"),
        }
        still_serves(&hub).await;
    }
}

#[tokio::test]
async fn every_http_method_is_answered() {
    let hub = Hub::start().await;
    let Key(key) = hub.admin().key;
    let key = key.unwrap();
    let raw = Raw::connect(hub.address).await;
    for method in ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"] {
        let request = Request::builder()
            .method(method)
            .uri(format!("http://hub{WHO_AM_I}"))
            .header("content-type", "application/grpc")
            .header("authorization", format!("Bearer {key}"))
            .body(Body::empty())
            .unwrap();
        let answer = time::timeout(SOON, raw.call(request)).await.unwrap();
        let got = (answer.code(), answer.reason());
        assert_eq!(got, (Code::InvalidArgument, "NOT_GRPC".to_owned()), "{method}");
    }
    // It has no path: there may be no answer to it, but there is no hang either.
    let request = Request::connect("hub:80").body(Body::empty()).unwrap();
    drop(time::timeout(SOON, raw.try_call(request)).await.expect("a hang"));
    still_serves(&hub).await;
}

// === connections ===

#[tokio::test]
async fn more_calls_than_a_connection_has_streams_are_all_answered() {
    let hub = Hub::start().await;
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..400 {
        let mut info = hub.admin().info();
        calls.spawn(async move { info.get_info(pb::GetInfoRequest {}).await.unwrap() });
    }
    let all = time::timeout(Duration::from_secs(30), calls.join_all()).await.unwrap();
    assert_eq!(all.len(), 400);
}

async fn open(address: SocketAddr, first: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(first).await.unwrap();
    stream
}

/// Waits until the hub hangs up, and says how long that took.
async fn hung_up(mut stream: TcpStream) -> Duration {
    let began = Instant::now();
    let mut rest = Vec::new();
    let ended = time::timeout(Duration::from_secs(60), stream.read_to_end(&mut rest)).await;
    // An end, or a reset: both are fine.
    drop(ended.expect("the hub keeps a connection that says nothing"));
    began.elapsed()
}

#[tokio::test]
async fn a_connection_that_does_not_begin_is_closed() {
    let hub = Hub::start().await;
    let begun = [
        ("nothing", &b""[..]),
        ("a byte", &PREFACE[..1]),
        ("nearly all", &PREFACE[..23]),
        ("HTTP/1.1", b"GET / HTTP/1.1\r\nhost: hub\r\n\r\n"),
        ("short HTTP/1.1", b"GET / HTTP/1.0\r\n"),
        (
            "TLS",
            &[
                0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03, 0, 0, 0, 0, 0, 0,
                0, 0, 0, 0, 0, 0, 0,
            ],
        ),
    ];
    let mut waits = Vec::new();
    for (what, first) in begun {
        let stream = open(hub.address, first).await;
        waits.push((what, tokio::spawn(hung_up(stream))));
    }
    // Nobody else waits for them.
    still_serves(&hub).await;
    for (what, wait) in waits {
        let took = wait.await.unwrap();
        assert!(took < Duration::from_secs(8), "{what}: closed after {took:?}");
    }
}

#[tokio::test]
async fn what_is_not_http2_is_told_so_at_once() {
    let hub = Hub::start().await;
    let request = b"POST /sharehub.v1.AccessService/WhoAmI HTTP/1.1\r\nhost: hub\r\ncontent-length: 0\r\n\r\n";
    let took = hung_up(open(hub.address, request).await).await;
    assert!(took < Duration::from_secs(4), "closed after {took:?}");
}

#[tokio::test]
async fn a_connection_that_comes_in_bytes_is_served() {
    let hub = Hub::start().await;
    let mut stream = TcpStream::connect(hub.address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    for byte in [PREFACE, SETTINGS].concat() {
        stream.write_all(&[byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    // A PING comes back.
    stream.write_all(&[0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]).await.unwrap();
    let pong = time::timeout(SOON, async {
        loop {
            let (kind, flags, payload) = next_frame(&mut stream).await;
            if kind == 6 && flags & 1 == 1 {
                break payload;
            }
        }
    });
    assert_eq!(pong.await.unwrap(), [1, 2, 3, 4, 5, 6, 7, 8]);
}

/// Kind, flags and payload.
async fn next_frame(stream: &mut TcpStream) -> (u8, u8, Vec<u8>) {
    let mut head = [0; 9];
    stream.read_exact(&mut head).await.unwrap();
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let mut payload = vec![0; usize::try_from(length).unwrap()];
    stream.read_exact(&mut payload).await.unwrap();
    (head[3], head[4], payload)
}

#[tokio::test]
async fn a_connection_is_told_its_limits() {
    let hub = Hub::start().await;
    let mut stream = open(hub.address, &[PREFACE, SETTINGS].concat()).await;
    let settings = time::timeout(SOON, async {
        loop {
            let (kind, flags, payload) = next_frame(&mut stream).await;
            if kind == 4 && flags & 1 == 0 {
                break payload;
            }
        }
    });
    let mut told = std::collections::BTreeMap::new();
    for setting in settings.await.unwrap().chunks(6) {
        let id = u16::from_be_bytes([setting[0], setting[1]]);
        let value = u32::from_be_bytes([setting[2], setting[3], setting[4], setting[5]]);
        told.insert(id, value);
    }
    assert_eq!(told.get(&3), Some(&100), "max concurrent streams: {told:?}");
    assert_eq!(told.get(&6), Some(&(16 * 1024)), "max header list size: {told:?}");
    assert_eq!(told.get(&4), Some(&(64 * 1024)), "initial window: {told:?}");
}

#[tokio::test]
async fn frames_that_break_the_protocol_end_the_connection_not_the_hub() {
    let hub = Hub::start().await;
    let frames: [(&str, &[u8]); 5] = [
        ("DATA on no stream", &[0, 0, 1, 0, 0, 0, 0, 0, 0, 0x61]),
        ("DATA on a stream that is not open", &[0, 0, 1, 0, 0, 0, 0, 0, 5, 0x61]),
        ("a frame of 16 MiB", &[0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1, 0x61]),
        ("HEADERS on an even stream", &[0, 0, 1, 1, 5, 0, 0, 0, 2, 0x82]),
        ("a window that grows by nothing", &[0, 0, 4, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
    ];
    for (what, bytes) in frames {
        let stream = open(hub.address, &[PREFACE, SETTINGS, bytes].concat()).await;
        let took = time::timeout(Duration::from_secs(10), hung_up(stream)).await;
        assert!(took.is_ok(), "{what}: the connection stays");
        still_serves(&hub).await;
    }
}
