//! Strangers get little: few connections, few calls and no memory to speak of, and they keep nobody out.
//!
//! `SHAREHUB_TEST_STRANGERS=2000` and `SHAREHUB_TEST_STORM=500` are the full sizes.
use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::body::Body;
use bytes::Bytes;
use http_body_util::BodyExt;
use sharehub::{caller::refusals::Cause, limits::Limits, pb};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::{self, Instant},
};
use tonic::Code;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_types::StatusExt;

use crate::support::{
    call_log::GET_UNIT,
    client::{Client, Grants},
    engine::{Store, scale},
    frames::{HELLO, frame as h2_frame, head},
    hub::{Hub, slow, until, who},
    pki::PKI,
    program::{Program, admin_key, memory},
    raw::{Raw, announced, frame, post, unary},
};

const CHECK: &str = "/grpc.health.v1.Health/Check";
const WATCH: &str = "/grpc.health.v1.Health/Watch";
const REFLECTION: &str = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";

/// What strangers may cost, all together, in MiB.
const MOST_MIB: u64 = 64;

/// A program on a store of its own, and its administrator's key.
async fn begin(dir: &Path) -> (Program, Store, String) {
    let store = Store::new().await;
    fs::write(dir.join("url"), &store.url).unwrap();
    let key = admin_key(dir).await;
    (Program::serve(dir, &[]).await, store, key)
}

/// Whoever holds a key calls by a new connection. How often it had to.
async fn comes_in(program: &Program, key: &str) -> u32 {
    let last = Instant::now() + Duration::from_secs(60);
    let mut tries = 1;
    while let Err(status) = who(&program.as_(key)).await {
        assert!(status.get_details_error_info().is_none(), "a refusal: {status:?}");
        assert!(Instant::now() < last, "it is kept out: {status:?}");
        tries += 1;
        time::sleep(Duration::from_millis(20)).await;
    }
    tries
}

/// The time that so many in a hundred do not exceed.
fn percentile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort_unstable();
    times[(times.len() - 1) * percent / 100]
}

// === connections ===

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_strangers_do_not_keep_an_administrator_out() {
    let strangers: usize = scale("SHAREHUB_TEST_STRANGERS", 400);
    let dir = tempfile::tempdir().unwrap();
    let (program, _store, key) = begin(dir.path()).await;
    comes_in(&program, &key).await;
    let before = memory(program.id(), "VmRSS");
    // Each watches the health for as long as it is let.
    let watch = h2_frame(1, 4, 1, &head(WATCH, None));
    let call = Arc::new([HELLO.to_vec(), watch, h2_frame(0, 1, 1, &frame(b""))].concat());
    let ended = Arc::new(AtomicUsize::new(0));
    let (address, mut crowd) = (program.address, JoinSet::new());
    for _ in 0..strangers {
        let (call, ended) = (Arc::clone(&call), Arc::clone(&ended));
        crowd.spawn(async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            drop(stream.write_all(&call).await);
            let mut buf = [0; 1_024];
            while matches!(stream.read(&mut buf).await, Ok(1..)) {}
            ended.fetch_add(1, Ordering::Relaxed);
        });
        time::sleep(Duration::from_millis(2)).await;
    }
    let (mut times, mut tries, mut peak) = (Vec::new(), 0, before);
    for _ in 0..20 {
        let began = Instant::now();
        tries += comes_in(&program, &key).await;
        times.push(began.elapsed());
        peak = memory(program.id(), "VmRSS").max(peak);
    }
    let (median, slowest) = (percentile(&mut times, 50), percentile(&mut times, 100));
    println!(
        "{strangers} strangers, {} ended: the administrator came in 20 times in {tries} tries, median {median:?}, \
         slowest {slowest:?}; from {before} MiB to {peak} MiB",
        ended.load(Ordering::Relaxed)
    );
    assert!(peak - before <= MOST_MIB, "{before} to {peak} MiB");
    // None stays: who never says who it is has no place for long.
    let all = time::timeout(Duration::from_secs(60), crowd.join_all());
    all.await.expect("strangers stay");
    let log = fs::read_to_string(&program.log).unwrap();
    assert_eq!(
        log.matches("have not identified themselves: the oldest are ended").count(),
        1,
        "{log}"
    );
}

#[tokio::test]
async fn who_does_not_say_who_it_is_has_to_go() {
    let hub = Hub::with(Limits { identify_within: Duration::from_secs(1), ..slow() }).await;
    let key = hub.admin().key.0.unwrap();
    let known = Raw::connect(hub.address).await;
    assert_eq!(
        known.call(unary("/sharehub.v1.AccessService/WhoAmI", Some(&key), b"")).await.code(),
        Code::Ok
    );
    // One asks for the health and shows nothing, one shows what is no key, one says nothing at all.
    let raw = Raw::connect(hub.address).await;
    assert_eq!(raw.call(unary(CHECK, None, b"")).await.code(), Code::Ok);
    let other = Raw::connect(hub.address).await;
    let refused = other.call(unary(GET_UNIT, Some("shk_a_b"), b"")).await;
    assert_eq!(refused.code(), Code::Unauthenticated);
    let mut silent = TcpStream::connect(hub.address).await.unwrap();
    silent.write_all(HELLO).await.unwrap();
    let mut said = Vec::new();
    let read = silent.read_to_end(&mut said);
    time::timeout(Duration::from_secs(30), read).await.expect("it stays").unwrap();
    // GOAWAY, without an error.
    let goaway = said.windows(17).any(|it| it[..4] == [0, 0, 8, 7] && it[13..] == [0; 4]);
    assert!(goaway, "{said:?}");
    until("they are closed", async || raw.is_closed() && other.is_closed()).await;
    assert!(!known.is_closed(), "who is known was closed");
    assert_eq!(hub.access.refusals.count(Cause::NotInTime), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificate_clients_that_come_back_at_once_all_get_in() {
    let clients: usize = scale("SHAREHUB_TEST_STORM", 100);
    let limits = Limits { connections_each: clients, ..Limits::default() };
    let hub = Hub::tls_with(Limits { longest: slow().longest, ..limits }).await;
    hub.register("so-y-te", Grants::default()).await;
    let (pair, address) = (PKI.client("so-y-te"), hub.address);
    let began = Instant::now();
    let mut storm = JoinSet::new();
    for _ in 0..clients {
        let channel = PKI.channel(address, Some(&pair));
        storm.spawn(async move {
            let client = Client { channel, key: crate::support::client::Key(None) };
            let mut tries = 1;
            while let Err(status) = who(&client).await {
                // Its connection had to make room on a busy machine: no refusal, and it comes again.
                assert!(status.get_details_error_info().is_none(), "a refusal: {status:?}");
                assert!(began.elapsed() < Duration::from_secs(120), "it is kept out: {status:?}");
                tries += 1;
                time::sleep(Duration::from_millis(50)).await;
            }
            tries
        });
    }
    let tries: u32 = storm.join_all().await.into_iter().sum();
    println!("{clients} clients came in within {:?}, in {tries} tries", began.elapsed());
}

// === calls ===

#[tokio::test]
async fn a_stranger_has_few_calls_open() {
    let hub = Hub::start().await;
    let raw = Raw::connect(hub.address).await;
    let open = || {
        let silent = futures_util::stream::pending::<Result<Bytes, std::io::Error>>();
        post(REFLECTION, None).body(Body::from_stream(silent)).unwrap()
    };
    let mut held = Vec::new();
    for _ in 0..8 {
        let raw = raw.clone();
        held.push(tokio::spawn(async move { raw.begin(open()).await }));
    }
    // One by one they are open; then the next one is refused.
    until("the ninth is refused", async || {
        let answer = time::timeout(Duration::from_secs(1), raw.try_call(open())).await;
        answer.is_ok_and(|it| it.is_ok_and(|it| it.reason() == "TOO_MANY_STREAMS"))
    })
    .await;
    // By a connection of its own it is answered as ever.
    let other = Raw::connect(hub.address).await;
    assert_eq!(other.call(unary(CHECK, None, b"")).await.code(), Code::Ok);
    // Who is known has as many as a connection carries.
    let key = hub.admin().key.0.unwrap();
    let known = Raw::connect(hub.address).await;
    let me = || unary("/sharehub.v1.AccessService/WhoAmI", Some(&key), b"");
    assert_eq!(known.call(me()).await.code(), Code::Ok);
    let mut streams = Vec::new();
    for _ in 0..20 {
        let known = known.clone();
        streams.push(tokio::spawn(async move { known.begin(open()).await }));
    }
    time::sleep(Duration::from_millis(200)).await;
    assert_eq!(known.call(me()).await.code(), Code::Ok);
}

#[tokio::test]
async fn health_is_checked_in_public_and_watched_by_operators() {
    let dir = tempfile::tempdir().unwrap();
    let (program, _store, _) = begin(dir.path()).await;
    let raw = Raw::connect(program.address).await;
    assert_eq!(raw.call(unary(CHECK, None, b"")).await.code(), Code::Ok);
    let watch = raw.call(unary(WATCH, None, b"")).await;
    assert_eq!((watch.code(), watch.reason().as_str()), (Code::Unimplemented, "METHOD_UNKNOWN"));
    assert!(watch.status().message().contains("`admin_listen`"), "{watch:?}");
    let long = raw.call(unary(CHECK, None, &[b'x'; 300])).await;
    assert_eq!(long.reason(), "MESSAGE_TOO_LARGE");
    // Nobody waits long for one that does not come.
    let short = post(CHECK, None).body(Body::from_stream(unfinished(100, b"ab"))).unwrap();
    let answer = time::timeout(Duration::from_secs(30), raw.call(short)).await.unwrap();
    assert_eq!((answer.code(), answer.reason().as_str()), (Code::DeadlineExceeded, "OUT_OF_TIME"));

    let operators = format!("http://{}", program.admin);
    let channel = tonic::transport::Endpoint::from_shared(operators).unwrap().connect_lazy();
    let mut health = HealthClient::new(channel);
    let mut watched = health.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    let first = watched.message().await.unwrap().unwrap();
    assert_eq!(first.status().as_str_name(), "SERVING");
    for (path, says) in [("/healthz", "ok\n"), ("/readyz", "SERVING\n")] {
        let answer = http1(program.admin, path).await;
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with(says), "{answer}");
    }
    let answer = http1(program.admin, "/sharehub").await;
    assert!(!answer.starts_with("HTTP/1.1 200 ") || answer.contains("grpc-status: 12"), "{answer}");
}

/// What an address answers to a GET of HTTP/1.
async fn http1(address: std::net::SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: hub\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// The beginning of a message of so many bytes, whose end never comes.
fn unfinished(
    length: u32,
    begun: &[u8],
) -> impl futures_util::Stream<Item = Result<Bytes, std::io::Error>> + use<> {
    let first = futures_util::stream::iter([Ok(Bytes::from(announced(length, begun)))]);
    futures_util::StreamExt::chain(first, futures_util::stream::pending())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unfinished_messages_cost_little() {
    const MESSAGE: usize = 4 << 20;
    let dir = tempfile::tempdir().unwrap();
    let (program, _store, key) = begin(dir.path()).await;
    comes_in(&program, &key).await;
    let other = program.as_(&key);
    // A stranger's to what is open to all and to what is not, and those of a system.
    for (path, shown, most) in [
        (CHECK, None, MOST_MIB),
        (GET_UNIT, None, MOST_MIB),
        (GET_UNIT, Some("shk_a_b"), MOST_MIB),
        (GET_UNIT, Some(key.as_str()), MOST_MIB),
    ] {
        let before = memory(program.id(), "VmRSS");
        let raw = Raw::connect(program.address).await;
        let mut calls = JoinSet::new();
        for _ in 0..90 {
            let body = unfinished(u32::try_from(MESSAGE).unwrap(), &vec![0; MESSAGE - 1]);
            let (raw, request) =
                (raw.clone(), post(path, shown).body(Body::from_stream(body)).unwrap());
            calls.spawn(async move {
                let (head, body) = raw.begin(request).await.ok()?.into_parts();
                drop(body.collect().await);
                tonic::Status::from_header_map(&head.headers)
            });
        }
        let (mut peak, mut times) = (before, Vec::new());
        let began = Instant::now();
        while !calls.is_empty() && began.elapsed() < Duration::from_secs(60) {
            while calls.try_join_next().is_some() {}
            peak = memory(program.id(), "VmRSS").max(peak);
            let asked = Instant::now();
            who(&other).await.unwrap();
            times.push(asked.elapsed());
            time::sleep(Duration::from_millis(20)).await;
        }
        let (grown, asked) = (peak - before, times.len());
        let p99 = percentile(&mut times, 99);
        println!(
            "90 unfinished messages to {path}, shown {}: from {before} MiB to {peak} MiB; {asked} calls of another, \
             p99 {p99:?}",
            shown.is_some()
        );
        assert!(calls.is_empty(), "{} are still waited for", calls.len());
        assert!(grown <= most, "{grown} MiB");
    }
}

#[tokio::test]
async fn what_an_administrator_asks_is_answered_beside_a_crowd_of_its_own_address() {
    let hub = Hub::with(Limits { connections: 64, unidentified_each: 4, ..slow() }).await;
    let mut crowd = Vec::new();
    for _ in 0..40 {
        let mut stream = TcpStream::connect(hub.address).await.unwrap();
        stream.write_all(HELLO).await.unwrap();
        crowd.push(stream);
    }
    let info = hub.admin().info().get_info(pb::GetInfoRequest {}).await;
    info.unwrap();
    assert!(hub.access.refusals.count(Cause::NoRoom) > 0);
    let status = hub.nobody().info().get_info(pb::GetInfoRequest {}).await.unwrap_err();
    assert_eq!(status.get_details_error_info().unwrap().reason, "ERROR_REASON_CALLER_UNKNOWN");
}
