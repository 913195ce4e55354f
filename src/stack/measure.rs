//! Counts each request once, by method and final code, however it ends.
use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use axum::{
    body::Body,
    extract::{Request, State},
    middleware::Next,
};
use http::Response;
use prost::Message;
use tonic::Code;

use super::ending::Ending;
use crate::pb;

/// What a path that is no method of ours is counted as: callers must not be able to make up names.
const OTHER: &str = "other";

/// Every method's path, such as `/sharehub.v1.UnitService/GetUnit`. A constant of the schema, read once.
static METHODS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let set = prost_types::FileDescriptorSet::decode(pb::DESCRIPTORS).unwrap_or_default();
    let mut methods = Vec::new();
    for file in &set.file {
        for service in &file.service {
            for method in &service.method {
                let (package, service) = (file.package(), service.name());
                methods.push(format!("/{package}.{service}/{}", method.name()));
            }
        }
    }
    methods
});

/// The name under which a path is logged and counted.
pub(super) fn name(path: &str) -> &'static str {
    METHODS.iter().find(|it| *it == path).map_or(OTHER, String::as_str)
}

/// How many calls ended how.
#[derive(Debug, Default)]
pub struct Meter(Mutex<BTreeMap<(&'static str, i32), u64>>);

impl Meter {
    /// How many calls of a method ended with a code.
    pub fn count(&self, method: &str, code: Code) -> u64 {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.get(&(name(method), i32::from(code))).copied().unwrap_or(0)
    }

    /// How many calls ended how: by method, such as `/sharehub.v1.UnitService/GetUnit`, and code.
    pub fn counts(&self) -> Vec<(&'static str, Code, u64)> {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.iter().map(|((method, code), count)| (*method, Code::from(*code), *count)).collect()
    }

    fn add(&self, method: &'static str, code: Code) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry((method, i32::from(code))).or_default() += 1;
    }
}

pub(super) async fn measure(
    State(meter): State<Arc<Meter>>,
    req: Request,
    next: Next,
) -> Response<Body> {
    let method = name(req.uri().path());
    let ending = Ending::new(move |code| meter.add(method, code));
    ending.watch(next.run(req).await)
}
