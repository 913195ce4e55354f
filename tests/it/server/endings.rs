//! The endings: however a call ends, the caller learns why, it is counted once, and it is logged once.
use std::{
    sync::{Arc, LazyLock},
    time::{Duration, Instant},
};

use axum::body::Body;
use http::{HeaderValue, Request};
use prost::Message;
use sharehub::{limits::Limits, pb};
use tokio::{sync::Notify, time};
use tonic::Code;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_types::StatusExt;

use crate::{
    indicator::publish::partial,
    support::{
        audit::records,
        call_log::{
            Ending, GET_UNIT, LOG, REGISTER, UNKNOWN, Witness, check, counts, fresh, until,
        },
        client::{Grants, Key, gso},
        desk::{BEN_TRE, Desk, batch, saw},
        hub::{Hub, slow},
        raw::{Raw, announced, frame, post, unary},
        rigged::Rigged,
    },
};

// === what the hub itself does ===

#[tokio::test]
async fn every_ending_is_answered_logged_and_counted_once() {
    let hub = Hub::start().await;
    let Key(admin) = hub.admin().key;
    let admin = admin.as_deref();
    let Key(other) = hub.system("so-y-te", Grants::default()).await.key;
    let other = other.as_deref();
    let raw = Raw::connect(hub.address).await;
    let mut witness = Witness::of(&hub.meter);
    // Registering the system above was counted as well.
    until("the registration is counted", || !counts(&hub.meter).is_empty()).await;
    witness.expected = counts(&hub.meter);

    let get = |unit| pb::GetUnitRequest { unit, consistency: None }.encode_to_vec();
    let known = get(gso("86", "2026-01-01"));
    let absent = get(gso("99999", "2026-01-01"));
    let register = pb::RegisterSystemRequest {
        code: "a".to_owned(),
        name: "A".to_owned(),
        ..Default::default()
    };
    let register = register.encode_to_vec();
    let whole =
        |request: http::request::Builder, bytes: Vec<u8>| request.body(Body::from(bytes)).unwrap();
    let stranger = Some("shk_aaaaaaaaaaaa_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    let plain = |method: http::Method, kind: &str| {
        let head = Request::builder().method(method).uri(format!("http://hub{GET_UNIT}"));
        let head = head.header("content-type", kind);
        let key = admin.unwrap();
        head.header("authorization", format!("Bearer {key}")).body(Body::from(frame(&known)))
    };
    let huge = vec![b'x'; 5 << 20];
    let gzip = post(GET_UNIT, admin).header("grpc-encoding", "gzip");

    use Code::{
        InvalidArgument, NotFound, Ok, PermissionDenied, ResourceExhausted, Unauthenticated,
        Unimplemented,
    };
    let get_unit = |key, message: &[u8]| unary(GET_UNIT, key, message);
    let announced_too_large = whole(post(GET_UNIT, admin), announced(u32::MAX, b"ab"));
    let grpc_web = plain(http::Method::POST, "application/grpc-web+proto").unwrap();
    #[rustfmt::skip]
    let table = [
        ("ok", get_unit(admin, &known), GET_UNIT, Ok, ""),
        ("no-key", get_unit(None, &known), GET_UNIT, Unauthenticated, "CALLER_UNKNOWN"),
        ("bad-key", get_unit(stranger, &known), GET_UNIT, Unauthenticated, "CALLER_UNKNOWN"),
        ("no-key-no-method", unary(UNKNOWN, None, &known), "other", Unauthenticated, "CALLER_UNKNOWN"),
        ("bad-field", get_unit(admin, b""), GET_UNIT, InvalidArgument, "FIELD_INVALID"),
        ("absent", get_unit(admin, &absent), GET_UNIT, NotFound, "NOT_FOUND"),
        ("not-permitted", unary(REGISTER, other, &register), REGISTER, PermissionDenied, "NOT_PERMITTED"),
        ("unknown-method", unary(UNKNOWN, admin, b""), "other", Unimplemented, "METHOD_UNKNOWN"),
        ("unknown-service", unary("/nowhere.Service/Get", admin, b""), "other", Unimplemented, "METHOD_UNKNOWN"),
        ("root", unary("/", admin, b""), "other", Unimplemented, "METHOD_UNKNOWN"),
        ("malformed", get_unit(admin, &[0x0a, 0x05, 0x01]), GET_UNIT, InvalidArgument, "MESSAGE_MALFORMED"),
        ("no-message", whole(post(GET_UNIT, admin), Vec::new()), GET_UNIT, InvalidArgument, "MESSAGE_MALFORMED"),
        ("short", whole(post(GET_UNIT, admin), announced(100, b"ab")), GET_UNIT, InvalidArgument, "MESSAGE_MALFORMED"),
        ("too-large", get_unit(admin, &huge), GET_UNIT, ResourceExhausted, "MESSAGE_TOO_LARGE"),
        ("announced-too-large", announced_too_large, GET_UNIT, ResourceExhausted, "MESSAGE_TOO_LARGE"),
        ("gzip", whole(gzip, frame(&known)), GET_UNIT, Unimplemented, "METHOD_UNKNOWN"),
        ("json", plain(http::Method::POST, "application/json").unwrap(), GET_UNIT, InvalidArgument, "NOT_GRPC"),
        ("grpc-web", grpc_web, GET_UNIT, InvalidArgument, "NOT_GRPC"),
        ("get", plain(http::Method::GET, "application/grpc").unwrap(), GET_UNIT, InvalidArgument, "NOT_GRPC"),
        ("put", plain(http::Method::PUT, "application/grpc").unwrap(), GET_UNIT, InvalidArgument, "NOT_GRPC"),
    ];
    for (name, request, method, code, reason) in table {
        check(&raw, &mut witness, Ending { name, request, method, code, reason }).await;
    }
    witness.check("all");
}

#[tokio::test]
async fn items_of_a_write_are_counted_by_the_log_the_metrics_and_the_audit() {
    LazyLock::force(&LOG);
    let desk = Desk::start().await;
    let entries = |values: &[&str]| {
        let entry = |(year, it): (i32, &&str)| saw("doc.count", BEN_TRE, &year.to_string(), it);
        (2000..).zip(values).map(entry).collect::<Vec<_>>()
    };
    // One of each; then all are rejected, with an id that is kept, and without.
    desk.publish(entries(&["1", "2"])).await;
    let batches = [
        (partial(entries(&["1", "3", "4", "-1", "x"])), (2, 2)),
        (partial(entries(&["-1"])), (0, 1)),
        (
            pb::PublishObservationsRequest { request_id: "a".into(), ..partial(entries(&["-2"])) },
            (0, 1),
        ),
        (batch(entries(&["5", "x"])), (0, 0)),
    ];
    for (request, (written, rejected)) in batches {
        let id = fresh("items");
        let mut sent = tonic::Request::new(request);
        sent.metadata_mut().insert("x-request-id", id.parse().unwrap());
        let answer = desk.source.indicators().publish_observations(sent).await;
        until("it is logged", || !LOG.of(&id).is_empty()).await;
        let line = &LOG.of(&id)[0];
        let told = if answer.is_ok() { rejected.to_string() } else { String::new() };
        assert_eq!(line.rejected, told, "{line:?}");
        let all = records(&desk.hub).await;
        let of: Vec<_> = all.iter().filter(|it| it.request_id == id).collect();
        assert_eq!(of.len(), 1, "{of:?}");
        assert_eq!((of[0].items, of[0].rejected_items), (written, rejected), "{of:?}");
    }
    let publish = "/sharehub.v1.IndicatorService/PublishObservations";
    let items = desk.hub.meter.items();
    let counts = items.iter().find(|(method, _)| *method == publish).unwrap().1;
    use sharehub::outcome::Outcome::{Corrected, Created, Rejected, Unchanged};
    assert_eq!(counts, [(Created, 3), (Corrected, 1), (Unchanged, 1), (Rejected, 4)]);
}

#[tokio::test]
async fn a_request_without_an_id_gets_one() {
    LazyLock::force(&LOG);
    let hub = Hub::start().await;
    let raw = Raw::connect(hub.address).await;
    let mut seen = std::collections::BTreeSet::new();
    let long = "a".repeat(129);
    // None, or one that the log is better without.
    let odd: [Option<&[u8]>; 6] = [
        None,
        Some(b""),
        Some(b"a b"),
        Some(b"a=\"b\""),
        Some(b"\xe1\xbb\x99"),
        Some(long.as_bytes()),
    ];
    for path in [GET_UNIT, UNKNOWN] {
        for id in odd {
            let mut request = unary(path, None, b"");
            if let Some(id) = id {
                let id = HeaderValue::from_bytes(id).unwrap();
                request.headers_mut().insert("x-request-id", id);
            }
            let answer = raw.call(request).await;
            let id = answer.head["x-request-id"].to_str().unwrap().to_owned();
            assert_eq!(id.len(), 36, "a UUID: {id}");
            until("it is logged under it", || LOG.of(&id).len() == 1).await;
            assert!(seen.insert(id));
        }
    }
}

#[tokio::test]
async fn a_full_hub_refuses_at_once_and_still_tells_its_health() {
    let hub = Hub::with(Limits { in_flight: 1, ..slow() }).await;
    let next = hub.hub.revisions.head().newest.number + 1;
    let requirement = Some(pb::consistency::Requirement::AtLeast(next));
    let consistency = Some(pb::Consistency { requirement });
    let unit = gso("86", "2026-01-01");
    let waiting = pb::GetUnitRequest { unit: unit.clone(), consistency };
    let mut units = hub.admin().units();
    // One of the two callers comes first: this one tries until it is that one.
    let busy = tokio::spawn(async move {
        loop {
            match units.get_unit(waiting.clone()).await {
                Err(refused) if refused.code() == Code::ResourceExhausted => {}
                answer => break answer,
            }
        }
    });
    let mut units = hub.admin().units();
    let last = Instant::now() + Duration::from_secs(10);
    let refused = loop {
        assert!(Instant::now() < last, "the place is not taken");
        let request = pb::GetUnitRequest { unit: unit.clone(), consistency: None };
        if let Err(refused) = units.get_unit(request).await {
            break refused;
        }
        // The two must not take turns in step.
        time::sleep(Duration::from_millis(rand::random_range(2..20))).await;
    };
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert_eq!(refused.get_details_error_info().unwrap().reason, "ERROR_REASON_OVERLOADED");
    let wait = refused.get_details_retry_info().unwrap().retry_delay.unwrap();
    assert!(wait > Duration::ZERO && wait < Duration::from_secs(10), "{wait:?}");
    // Nobody's key is needed, and there is always room.
    let mut health = HealthClient::new(hub.channel.clone());
    for _ in 0..20 {
        let answer = health.check(HealthCheckRequest::default()).await.unwrap().into_inner();
        assert_eq!(answer.status().as_str_name(), "SERVING");
    }
    // What came first is finished: a revision comes by another way than a call.
    let admin = sharehub::caller::SystemCode::parse("admin").unwrap();
    let issue = sharehub::access::queries::Issue { system: admin, expires_at: None };
    sharehub::access::store::issue_key(&hub.hub, issue).await.unwrap();
    let answer = busy.await.unwrap().unwrap().into_inner();
    assert_eq!(answer.read_at.unwrap().number, next);
}

#[tokio::test]
async fn a_handler_that_fails_is_an_answer_all_the_same() {
    let rigged = Rigged::start(Limits { longest: Duration::from_millis(300), ..slow() }).await;
    let raw = Raw::connect(rigged.address).await;
    let mut witness = Witness::of(&rigged.meter);
    use Code::{DeadlineExceeded, FailedPrecondition, Internal, Ok};
    check(&raw, &mut witness, rigged.ending("fine", Ok, "")).await;
    check(&raw, &mut witness, rigged.ending("panic", Internal, "INTERNAL")).await;
    check(&raw, &mut witness, rigged.ending("internal", Internal, "INTERNAL")).await;
    check(&raw, &mut witness, rigged.ending("refused", FailedPrecondition, "NOT_AGGREGABLE")).await;
    let began = Instant::now();
    check(&raw, &mut witness, rigged.ending("slow", DeadlineExceeded, "OUT_OF_TIME")).await;
    assert!(began.elapsed() >= Duration::from_millis(300), "the hub's deadline was not waited for");
    // After all that, on the same connection.
    check(&raw, &mut witness, rigged.ending("fine", Ok, "")).await;
    // What went wrong inside is not told.
    for ending in ["panic", "internal"] {
        let status = raw.call(rigged.request(ending)).await.status();
        assert_eq!(status.message(), "internal error; the log has it");
    }
}

#[tokio::test]
async fn the_callers_shorter_deadline_wins() {
    let rigged = Rigged::start(slow()).await;
    let raw = Raw::connect(rigged.address).await;
    let mut witness = Witness::of(&rigged.meter);
    for (name, timeout) in
        [("milli", "50m"), ("micro", "50000u"), ("nano", "9999999n"), ("none", "0S")]
    {
        let mut request = rigged.request("slow");
        request.headers_mut().insert("grpc-timeout", HeaderValue::from_static(timeout));
        let began = Instant::now();
        let (code, reason) = (Code::DeadlineExceeded, "OUT_OF_TIME");
        check(&raw, &mut witness, Ending { name, request, method: GET_UNIT, code, reason }).await;
        assert!(began.elapsed() < Duration::from_secs(10), "{timeout} took {:?}", began.elapsed());
    }
}

#[tokio::test]
async fn a_longer_deadline_of_the_caller_does_not_win() {
    let rigged = Rigged::start(Limits { longest: Duration::from_millis(200), ..slow() }).await;
    let raw = Raw::connect(rigged.address).await;
    let mut witness = Witness::of(&rigged.meter);
    let mut request = rigged.request("slow");
    request.headers_mut().insert("grpc-timeout", HeaderValue::from_static("99999999H"));
    let (code, reason) = (Code::DeadlineExceeded, "OUT_OF_TIME");
    let ending = Ending { name: "long", request, method: GET_UNIT, code, reason };
    time::timeout(Duration::from_secs(10), check(&raw, &mut witness, ending)).await.unwrap();
}

#[tokio::test]
async fn a_caller_that_hangs_up_is_cancelled() {
    let rigged = Rigged::start(slow()).await;
    let raw = Raw::connect(rigged.address).await;
    let mut witness = Witness::of(&rigged.meter);

    let named = |ending, id: &str| {
        let mut request = rigged.request(ending);
        request.headers_mut().insert("x-request-id", HeaderValue::from_str(id).unwrap());
        request
    };
    // It takes back one call.
    let id = fresh("reset");
    let call = tokio::spawn({
        let (raw, request) = (raw.clone(), named("waiting", &id));
        async move { raw.try_call(request).await }
    });
    rigged.gate.begun.notified().await;
    call.abort();
    witness.saw("reset", &id, GET_UNIT, Code::Cancelled).await;

    // It takes back a call whose answer has begun.
    let id = fresh("half");
    let begun = raw.begin(named("endless", &id)).await.unwrap();
    assert_eq!(begun.status(), 200);
    drop(begun);
    witness.saw("half", &id, GET_UNIT, Code::Cancelled).await;

    // Its connection is gone.
    let id = fresh("gone");
    rigged.gate.begun.notified().await;
    let (runtime, stop) = (tokio::runtime::Handle::current(), Arc::new(Notify::new()));
    let (request, address) = (named("waiting", &id), rigged.address);
    let caller = runtime.spawn({
        let stop = Arc::clone(&stop);
        async move {
            let stream = tokio::net::TcpStream::connect(address).await.unwrap();
            let io = hyper_util::rt::TokioIo::new(stream);
            let executor = hyper_util::rt::TokioExecutor::new();
            let (mut send, connection) =
                hyper::client::conn::http2::handshake(executor, io).await.unwrap();
            let call = send.send_request(request);
            tokio::select! {
                _ = connection => {}
                _ = call => {}
                () = stop.notified() => {}
            }
        }
    });
    rigged.gate.begun.notified().await;
    stop.notify_one();
    caller.await.unwrap();
    witness.saw("gone", &id, GET_UNIT, Code::Cancelled).await;
    witness.check("all");
}

#[tokio::test]
async fn a_stream_that_breaks_is_counted_by_its_trailers() {
    let rigged = Rigged::start(slow()).await;
    let raw = Raw::connect(rigged.address).await;
    let mut witness = Witness::of(&rigged.meter);
    check(&raw, &mut witness, rigged.ending("broken", Code::Unavailable, "UNAVAILABLE")).await;
    // No trailers at all: the caller sees a reset, and nobody takes the good head for a good end.
    let mut request = rigged.request("vanishing");
    let id = fresh("vanishing");
    request.headers_mut().insert("x-request-id", HeaderValue::from_str(&id).unwrap());
    assert!(raw.try_call(request).await.is_err(), "an answer that broke looked whole");
    witness.saw("vanishing", &id, GET_UNIT, Code::Cancelled).await;
}

#[tokio::test]
async fn too_many_calls_in_flight_are_refused_and_counted() {
    let rigged = Rigged::start(Limits { in_flight: 2, in_flight_share: 100, ..slow() }).await;
    let raw = Raw::connect(rigged.address).await;
    let mut witness = Witness::of(&rigged.meter);
    let mut taken = Vec::new();
    for _ in 0..2 {
        let id = fresh("taken");
        let mut request = rigged.request("waiting");
        request.headers_mut().insert("x-request-id", HeaderValue::from_str(&id).unwrap());
        let raw = raw.clone();
        taken.push((id, tokio::spawn(async move { raw.call(request).await })));
        rigged.gate.begun.notified().await;
    }
    for _ in 0..3 {
        let ending = rigged.ending("fine", Code::ResourceExhausted, "OVERLOADED");
        check(&raw, &mut witness, ending).await;
    }
    // On another connection too: the limit is the hub's.
    let another = Raw::connect(rigged.address).await;
    let ending = rigged.ending("fine", Code::ResourceExhausted, "OVERLOADED");
    check(&another, &mut witness, ending).await;
    for (id, call) in taken {
        rigged.gate.go.notify_one();
        assert_eq!(call.await.unwrap().code(), Code::Ok);
        witness.saw("taken", &id, GET_UNIT, Code::Ok).await;
    }
    // There is room again; a panic gave its place back as well.
    for _ in 0..5 {
        check(&raw, &mut witness, rigged.ending("panic", Code::Internal, "INTERNAL")).await;
    }
    check(&raw, &mut witness, rigged.ending("fine", Code::Ok, "")).await;
}
