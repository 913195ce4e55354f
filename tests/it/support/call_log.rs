//! What becomes of a call, as its caller, the log and the meter each tell it.
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, LazyLock, Mutex},
    time::{Duration, Instant},
};

use axum::body::Body;
use http::{HeaderValue, Request};
use sharehub::stack::measure::Meter;
use tokio::time;
use tonic::Code;
use tracing::{
    Event, Id, Level, Subscriber,
    field::{Field, Visit},
    span::Attributes,
};
use tracing_subscriber::{
    Layer,
    filter::Targets,
    layer::{Context, SubscriberExt},
    registry::LookupSpan,
};

use crate::support::raw::Raw;

pub const GET_UNIT: &str = "/sharehub.v1.UnitService/GetUnit";
pub const REGISTER: &str = "/sharehub.v1.AccessService/RegisterSystem";
pub const UNKNOWN: &str = "/sharehub.v1.UnitService/Nothing";

// === what is logged ===

/// An "answered" line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub level: Level,
    pub method: String,
    pub code: String,
    /// How many items of a write were rejected; empty for what is no write.
    pub rejected: String,
}

/// The lines of every request in this process, by request id: tests that run beside each other do not mix.
#[derive(Clone, Default)]
pub struct Log(pub Arc<Mutex<HashMap<String, Vec<Line>>>>);

impl Log {
    pub fn of(&self, request_id: &str) -> Vec<Line> {
        self.0.lock().unwrap().get(request_id).cloned().unwrap_or_default()
    }
}

/// Reads what is needed from spans and events.
#[derive(Default)]
pub struct Read(pub HashMap<&'static str, String>);

impl Visit for Read {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}

pub struct RequestId(pub String);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Log {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut read = Read::default();
        attributes.record(&mut read);
        if let Some(request_id) = read.0.remove("request.id") {
            context.span(id).unwrap().extensions_mut().insert(RequestId(request_id));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut read = Read::default();
        event.record(&mut read);
        if read.0.get("message").is_none_or(|it| it != "answered") {
            return;
        }
        let span = context.event_span(event).expect("answered outside a span");
        let extensions = span.extensions();
        let RequestId(request_id) = extensions.get().expect("answered without a request id");
        let level = *event.metadata().level();
        let mut take = |name| read.0.remove(name).unwrap_or_default();
        let (method, code, rejected) = (take("method"), take("code"), take("rejected"));
        let line = Line { level, method, code, rejected };
        self.0.lock().unwrap().entry(request_id.clone()).or_default().push(line);
    }
}

/// One log for the process, since one process has one subscriber that every task reaches.
pub static LOG: LazyLock<Log> = LazyLock::new(|| {
    let log = Log::default();
    let filter = Targets::new().with_target("sharehub::stack", Level::TRACE);
    let all = tracing_subscriber::registry().with(log.clone().with_filter(filter));
    tracing::subscriber::set_global_default(all).expect("no other test takes the log");
    log
});

// === what is counted ===

/// All counts of a meter that are not 0.
pub fn counts(meter: &Meter) -> BTreeMap<(&'static str, i32), u64> {
    let mut counts = BTreeMap::new();
    for method in [GET_UNIT, REGISTER, "other"] {
        for code in 0..=16 {
            let count = meter.count(method, Code::from_i32(code));
            if count > 0 {
                counts.insert((method, code), count);
            }
        }
    }
    counts
}

pub fn spelled(code: Code) -> String {
    let mut spelled = String::new();
    for (i, letter) in format!("{code:?}").char_indices() {
        if i > 0 && letter.is_uppercase() {
            spelled.push('_');
        }
        spelled.extend(letter.to_uppercase());
    }
    spelled
}

/// Waits until something holds.
pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let last = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < last, "still not: {what}");
        time::sleep(Duration::from_millis(2)).await;
    }
}

/// Looks at the endings of one hub, one call after the other.
pub struct Witness<'a> {
    pub meter: &'a Meter,
    pub expected: BTreeMap<(&'static str, i32), u64>,
    pub lines: Vec<(String, Line)>,
}

impl<'a> Witness<'a> {
    pub fn of(meter: &'a Meter) -> Self {
        LazyLock::force(&LOG);
        Self { meter, expected: counts(meter), lines: Vec::new() }
    }

    /// The call ended once, with this code, as a call of this method.
    pub async fn saw(&mut self, name: &str, request_id: &str, method: &'static str, code: Code) {
        *self.expected.entry((method, code.into())).or_default() += 1;
        until(&format!("{name} is logged"), || !LOG.of(request_id).is_empty()).await;
        until(&format!("{name} is counted"), || {
            let now = counts(self.meter);
            now.values().sum::<u64>() >= self.expected.values().sum()
        })
        .await;
        assert_eq!(counts(self.meter), self.expected, "{name}");
        let faults = [Code::Internal, Code::Unknown, Code::DataLoss];
        let passing =
            [Code::Unavailable, Code::DeadlineExceeded, Code::ResourceExhausted, Code::Aborted];
        let level = if faults.contains(&code) {
            Level::ERROR
        } else if passing.contains(&code) {
            Level::WARN
        } else {
            Level::INFO
        };
        let (method, code, rejected) = (method.to_owned(), spelled(code), String::new());
        let line = Line { level, method, code, rejected };
        self.lines.push((request_id.to_owned(), line));
        self.check(name);
    }

    /// Nothing was counted or logged twice, also not late.
    pub fn check(&self, name: &str) {
        assert_eq!(counts(self.meter), self.expected, "after {name}");
        for (request_id, line) in &self.lines {
            assert_eq!(
                LOG.of(request_id),
                std::slice::from_ref(line),
                "{request_id}, after {name}"
            );
        }
    }
}

/// An id that no other test uses.
pub fn fresh(name: &str) -> String {
    format!("{name}-{:016x}", rand::random::<u64>())
}

/// One line of the table: how a call is made, and how it must end.
pub struct Ending {
    pub name: &'static str,
    pub request: Request<Body>,
    pub method: &'static str,
    pub code: Code,
    pub reason: &'static str,
}

pub async fn check(raw: &Raw, witness: &mut Witness<'_>, ending: Ending) {
    let Ending { name, mut request, method, code, reason } = ending;
    let request_id = fresh(name);
    request.headers_mut().insert("x-request-id", HeaderValue::from_str(&request_id).unwrap());
    let answer = raw.call(request).await;
    let http = match (reason, name) {
        ("NOT_GRPC", "get" | "put") => 405,
        ("NOT_GRPC", _) => 415,
        _ => 200,
    };
    assert_eq!(answer.http, http, "{name}");
    assert_eq!((answer.code(), answer.reason().as_str()), (code, reason), "{name}: {answer:?}");
    assert_eq!(answer.head["x-request-id"], request_id.as_str(), "{name}");
    assert_eq!(answer.head["content-type"], "application/grpc", "{name}");
    witness.saw(name, &request_id, method, code).await;
}
