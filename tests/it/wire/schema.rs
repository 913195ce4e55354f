//! Rules that hold for every method, message and word of the schema, present and future.
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage};
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FileDescriptorProto, FileDescriptorSet,
    field_descriptor_proto::Label,
};
use sharehub::{
    caller::policy::{self, POLICIES, Policy},
    error::{Error, Reason},
    pb,
};
use tonic::{Code, Request, client::Grpc, codegen::http::uri::PathAndQuery};
use tonic_types::StatusExt;

use super::messages::MESSAGES;
use crate::support::{
    client::{Client, Grants, Key, all_indicators, refusal},
    history::{History, indicators},
    hub::Hub,
    raw::{Raw, unary},
};

/// Every wire surface that was ever let out. Lines are added by running this test with `UPDATE_WIRE=1`.
const WIRE: &str = "tests/it/data/wire.txt";

fn set() -> FileDescriptorSet {
    FileDescriptorSet::decode(pb::DESCRIPTORS).unwrap()
}

/// Our own files.
fn files() -> Vec<FileDescriptorProto> {
    let ours = |it: &FileDescriptorProto| it.package() == "sharehub.v1";
    let files: Vec<_> = set().file.into_iter().filter(ours).collect();
    assert!(files.len() >= 6, "the schema is not there");
    files
}

/// Every method, such as `UnitService/GetUnit`.
pub(crate) fn methods() -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for file in files() {
        for service in &file.service {
            for method in &service.method {
                all.insert(format!("{}/{}", service.name(), method.name()));
            }
        }
    }
    all
}

/// Each method with what it needs, and a message that it can read.
pub(crate) fn policies() -> Vec<(&'static str, Policy, &'static str)> {
    let messages: BTreeMap<_, _> = MESSAGES.iter().copied().collect();
    POLICIES.iter().map(|(method, policy)| (*method, *policy, messages[method])).collect()
}

// === nobody is anonymous ===

#[tokio::test]
async fn every_method_refuses_nobody() {
    let hub = Hub::start().await;
    let stranger = "Bearer shk_aaaaaaaaaaaa_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    for method in methods() {
        for key in [None, Some(stranger), Some("Bearer "), Some("Basic YTph"), Some("")] {
            let mut grpc = Grpc::new(hub.channel.clone());
            grpc.ready().await.unwrap();
            let codec = tonic_prost::ProstCodec::<(), ()>::default();
            let path = PathAndQuery::try_from(format!("/sharehub.v1.{method}")).unwrap();
            let mut request = Request::new(());
            if let Some(key) = key {
                request.metadata_mut().insert("authorization", key.parse().unwrap());
            }
            let (code, reason, fields) = refusal(grpc.unary(request, path, codec).await);
            assert_eq!(code, Code::Unauthenticated, "{method} with {key:?}");
            assert_eq!((reason.as_str(), fields), ("CALLER_UNKNOWN", vec![]), "{method}");
        }
    }
}

// === policies ===

#[test]
fn every_method_has_a_policy_and_every_policy_a_method() {
    let listed: Vec<_> = POLICIES.iter().map(|(method, _)| (*method).to_owned()).collect();
    assert!(listed.is_sorted(), "policies are found by halves: they stand in order");
    let once: BTreeSet<_> = listed.iter().cloned().collect();
    assert_eq!(listed.len(), once.len(), "a method is listed twice");
    let methods = methods();
    let without: Vec<_> = methods.difference(&once).collect();
    assert!(without.is_empty(), "methods without a policy: nobody may call them: {without:?}");
    let gone: Vec<_> = once.difference(&methods).collect();
    assert!(gone.is_empty(), "policies without a method: {gone:?}");
    for method in &methods {
        assert!(policy::of(&format!("/sharehub.v1.{method}")).is_some(), "{method} is not found");
    }
    let messages: BTreeSet<_> = MESSAGES.iter().map(|(method, _)| (*method).to_owned()).collect();
    let silent: Vec<_> = methods.symmetric_difference(&messages).collect();
    assert!(silent.is_empty(), "methods without a message here, or the other way: {silent:?}");
    let pool = DescriptorPool::decode(pb::DESCRIPTORS).unwrap();
    let grants = pool.get_message_by_name("sharehub.v1.Grants").unwrap();
    let mut used = BTreeSet::new();
    for (method, policy) in POLICIES {
        if let Policy::Grant(grant) = policy {
            assert!(grants.get_field_by_name(grant.name()).is_some(), "{method}: no such grant");
            used.insert(grant.name());
        }
    }
    let mut unused: Vec<_> = grants.fields().map(|it| it.name().to_owned()).collect();
    unused.retain(|it| !used.contains(it.as_str()));
    assert!(unused.is_empty(), "grants that no method asks for: {unused:?}");
}

/// A token that a system got by a watch.
pub(crate) async fn watch_token(client: &Client) -> String {
    let mut history = History::of(vec![indicators(&["*"])]);
    let mut watch = history.watch(client, None).await.unwrap();
    history.take(watch.message().await.unwrap().unwrap());
    history.token
}

/// A definition that is shared with nobody but its owner.
async fn secret_one(hub: &Hub) {
    let owner = hub.system("owner", all_indicators()).await;
    let indicator = pb::Indicator {
        code: "secret.one".to_owned(),
        name_vi: "Một".to_owned(),
        kind: pb::IndicatorKind::Count.into(),
        unit_of_measure: "hồ sơ".to_owned(),
        direction: pb::IndicatorDirection::MoreIsBetter.into(),
        frequency: pb::ReportFrequency::Year.into(),
        time_rule: pb::TimeRule::Sum.into(),
        unit_rule: pb::UnitRule::Sum.into(),
        authoritative_source: "owner".to_owned(),
        collection_level: pb::UnitLevel::Commune.into(),
        calendar: pb::ReportCalendar::Calendar.into(),
        tree: pb::UnitTree::Territory.into(),
        ..Default::default()
    };
    let request = pb::DefineIndicatorsRequest { indicators: vec![indicator], ..Default::default() };
    owner.indicators().define_indicators(request).await.unwrap();
}

#[tokio::test]
async fn every_method_keeps_to_its_policy() {
    let hub = Hub::start().await;
    secret_one(&hub).await;
    let caller = hub.system("so-y-te", Grants::default()).await;
    let (token, Key(key)) = (watch_token(&caller).await, caller.key);
    let raw = Raw::connect(hub.address).await;
    for (method, policy, json) in policies() {
        let json = json.replace("{token}", &token);
        let request =
            unary(&format!("/sharehub.v1.{method}"), key.as_deref(), &bytes(method, &json));
        let status = raw.call(request).await.status();
        let code = status.code();
        let facts = status.get_details_error_info().map(|it| it.metadata).unwrap_or_default();
        let fact = |key: &str| facts.get(key).map(String::as_str);
        match policy {
            Policy::Grant(grant) => {
                assert_eq!(code, Code::PermissionDenied, "{method}: {status:?}");
                assert_eq!(fact("grant"), Some(grant.name()), "{method}: {status:?}");
            }
            Policy::Identified | Policy::Feed => {
                let fine = matches!(code, Code::Ok | Code::NotFound);
                assert!(fine, "{method} is for every identified system: {status:?}");
            }
            Policy::Data(kind, operations, _) => {
                assert_eq!(code, Code::PermissionDenied, "{method}: {status:?}");
                assert_eq!(fact("dataset"), Some(kind.name()), "{method}: {status:?}");
                assert_eq!(fact("operation"), Some(operations[0].name()), "{method}: {status:?}");
            }
        }
    }
}

/// A message of a method, from JSON.
fn bytes(method: &str, json: &str) -> Vec<u8> {
    let pool = DescriptorPool::decode(pb::DESCRIPTORS).unwrap();
    let (service, name) = method.split_once('/').unwrap();
    let service = pool.get_service_by_name(&format!("sharehub.v1.{service}")).unwrap();
    let found = service.methods().find(|it| it.name() == name).unwrap();
    let mut json = serde_json::Deserializer::from_str(json);
    DynamicMessage::deserialize(found.input(), &mut json).unwrap().encode_to_vec()
}

#[tokio::test]
async fn the_policies_messages_are_good_for_those_who_may() {
    let hub = Hub::start().await;
    secret_one(&hub).await;
    let everything = Grants {
        administrator: true,
        publish_units: true,
        define_procedures: true,
        publish_dossiers: true,
        read_dossiers: true,
        auditor: true,
        ..all_indicators()
    };
    let caller = hub.system("so-y-te", everything).await;
    let (token, Key(key)) = (watch_token(&caller).await, caller.key);
    let raw = Raw::connect(hub.address).await;
    for (method, _, json) in policies() {
        // These two would end what the others need.
        let ends = matches!(method, "AccessService/DisableSystem" | "AccessService/RegisterSystem");
        if ends {
            continue;
        }
        let json = json.replace("{token}", &token);
        let request =
            unary(&format!("/sharehub.v1.{method}"), key.as_deref(), &bytes(method, &json));
        let status = raw.call(request).await.status();
        let fine = matches!(status.code(), Code::Ok | Code::NotFound);
        assert!(fine, "{method} with every grant: {status:?}");
    }
}

// === comments ===

/// The leading comments of a file, by path.
fn comments(file: &FileDescriptorProto) -> BTreeMap<Vec<i32>, String> {
    let info = file.source_code_info.as_ref().expect("the schema keeps its comments");
    let commented = info.location.iter().filter(|it| !it.leading_comments().trim().is_empty());
    commented.map(|it| (it.path.clone(), it.leading_comments().trim().to_owned())).collect()
}

fn number(index: usize) -> i32 {
    index.try_into().unwrap()
}

/// Everything of a file that must say what it is: its path, and its name.
fn things(file: &FileDescriptorProto) -> Vec<(Vec<i32>, String)> {
    fn enumeration(all: &mut Vec<(Vec<i32>, String)>, path: Vec<i32>, it: &EnumDescriptorProto) {
        for (v, value) in it.value.iter().enumerate() {
            all.push(([path.as_slice(), &[2, number(v)]].concat(), value.name().to_owned()));
        }
        all.push((path, it.name().to_owned()));
    }
    fn message(all: &mut Vec<(Vec<i32>, String)>, path: Vec<i32>, it: &DescriptorProto) {
        if it.options.as_ref().is_some_and(|it| it.map_entry()) {
            return;
        }
        for (f, field) in it.field.iter().enumerate() {
            let name = format!("{}.{}", it.name(), field.name());
            all.push(([path.as_slice(), &[2, number(f)]].concat(), name));
        }
        for (o, oneof) in it.oneof_decl.iter().enumerate() {
            // `optional` makes one that nobody wrote.
            if !oneof.name().starts_with('_') {
                let name = format!("{}.{}", it.name(), oneof.name());
                all.push(([path.as_slice(), &[8, number(o)]].concat(), name));
            }
        }
        for (n, nested) in it.nested_type.iter().enumerate() {
            message(all, [path.as_slice(), &[3, number(n)]].concat(), nested);
        }
        for (e, nested) in it.enum_type.iter().enumerate() {
            enumeration(all, [path.as_slice(), &[4, number(e)]].concat(), nested);
        }
        all.push((path, it.name().to_owned()));
    }
    let mut all = vec![(vec![2], format!("package, in {}", file.name()))];
    for (m, it) in file.message_type.iter().enumerate() {
        message(&mut all, vec![4, number(m)], it);
    }
    for (e, it) in file.enum_type.iter().enumerate() {
        enumeration(&mut all, vec![5, number(e)], it);
    }
    for (s, service) in file.service.iter().enumerate() {
        all.push((vec![6, number(s)], service.name().to_owned()));
        for (m, method) in service.method.iter().enumerate() {
            let name = format!("{}/{}", service.name(), method.name());
            all.push((vec![6, number(s), 2, number(m)], name));
        }
    }
    all
}

#[test]
fn everything_in_the_schema_says_what_it_is() {
    let (mut seen, mut silent) = (0, Vec::new());
    for file in files() {
        let comments = comments(&file);
        for (path, name) in things(&file) {
            seen += 1;
            if !comments.contains_key(&path) {
                silent.push(format!("{}: {name}", file.name()));
            }
        }
    }
    assert!(seen > 500, "only {seen} things were looked at");
    assert!(silent.is_empty(), "without a comment:\n{}", silent.join("\n"));
}

#[test]
fn every_method_names_the_errors_that_callers_must_expect() {
    let mut silent = Vec::new();
    for file in files() {
        let comments = comments(&file);
        for (path, name) in things(&file) {
            let is_method = path.len() == 4 && path.starts_with(&[6]);
            if is_method && !comments.get(&path).is_some_and(|it| it.contains("Errors:")) {
                silent.push(name);
            }
        }
    }
    assert!(silent.is_empty(), "without `Errors:` {silent:?}");
}

#[test]
fn every_reason_begins_with_the_code_that_it_is_answered_with() {
    let files = files();
    let file = files.iter().find(|it| it.name().ends_with("error_reason.proto")).unwrap();
    let comments = comments(file);
    let reasons = &file.enum_type[0];
    assert_eq!(reasons.name(), "ErrorReason");
    let mut codes = BTreeSet::new();
    for (v, value) in reasons.value.iter().enumerate() {
        let reason = Reason::try_from(value.number()).unwrap();
        assert_eq!(reason.as_str_name(), value.name());
        if reason == Reason::Unspecified {
            continue;
        }
        let comment = &comments[&vec![5, 0, 2, number(v)]];
        let documented = comment.split('.').next().unwrap();
        let code = Error::new(reason, "x").code();
        let camel: String = documented
            .split('_')
            .map(|it| format!("{}{}", &it[..1], it[1..].to_lowercase()))
            .collect();
        assert_eq!(format!("{code:?}"), camel, "{}: {comment}", value.name());
        let status = tonic::Status::from(Error::new(reason, "x"));
        let info = status.get_details_error_info().unwrap();
        assert_eq!((status.code(), info.reason.as_str()), (code, value.name()));
        let waits = status.get_details_retry_info().is_some();
        assert_eq!(waits, comment.contains("RetryInfo") || reason == Reason::Aborted, "{comment}");
        codes.insert(documented.to_owned());
    }
    let never = ["OK", "UNKNOWN", "DATA_LOSS", "CANCELLED"];
    assert!(never.iter().all(|it| !codes.contains(*it)), "{codes:?}");
}

// === the wire surface ===

fn surface() -> BTreeSet<String> {
    fn enumeration(lines: &mut BTreeSet<String>, outer: &str, it: &EnumDescriptorProto) {
        let name = format!("{outer}.{}", it.name());
        for value in &it.value {
            lines.insert(format!("value {name} {} = {}", value.name(), value.number()));
        }
        lines.insert(format!("enum {name}"));
    }
    fn message(lines: &mut BTreeSet<String>, outer: &str, it: &DescriptorProto) {
        let name = format!("{outer}.{}", it.name());
        for field in &it.field {
            let label = match (field.label(), field.proto3_optional()) {
                (Label::Repeated, _) => "repeated ",
                (_, true) => "optional ",
                (Label::Optional | Label::Required, false) => "",
            };
            let named = field.type_name().trim_start_matches('.');
            let kind = match named {
                "" => format!("{:?}", field.r#type()).to_lowercase(),
                named => named.to_owned(),
            };
            let within = match field.oneof_index {
                Some(index) if !field.proto3_optional() => {
                    let oneof = &it.oneof_decl[usize::try_from(index).unwrap()];
                    format!(" in {}", oneof.name())
                }
                _ => String::new(),
            };
            let number = field.number();
            lines
                .insert(format!("field {name} {number:03} {} {label}{kind}{within}", field.name()));
        }
        for nested in &it.nested_type {
            message(lines, &name, nested);
        }
        for nested in &it.enum_type {
            enumeration(lines, &name, nested);
        }
        lines.insert(format!("message {name}"));
    }
    let mut lines = BTreeSet::new();
    for file in files() {
        let package = file.package();
        for it in &file.message_type {
            message(&mut lines, package, it);
        }
        for it in &file.enum_type {
            enumeration(&mut lines, package, it);
        }
        for service in &file.service {
            let name = format!("{package}.{}", service.name());
            for it in &service.method {
                let stream = |is: bool| if is { "stream " } else { "" };
                let (ins, outs) = (stream(it.client_streaming()), stream(it.server_streaming()));
                let (input, output) = (&it.input_type()[1..], &it.output_type()[1..]);
                lines.insert(format!("rpc {name}/{} ({ins}{input}) {outs}{output}", it.name()));
            }
            lines.insert(format!("service {name}"));
        }
    }
    lines
}

#[test]
fn the_wire_surface_only_grows() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(WIRE);
    let now = surface();
    let kept = fs::read_to_string(&path).unwrap_or_default();
    let kept: BTreeSet<_> = kept.lines().map(str::to_owned).collect();
    let gone: Vec<_> = kept.difference(&now).map(String::as_str).collect();
    assert!(
        gone.is_empty(),
        "removed from the schema, or changed: clients would break. Bring these back:\n{}\n\
         (before the first release, delete {WIRE} and run this test with UPDATE_WIRE=1)",
        gone.join("\n")
    );
    if std::env::var_os("UPDATE_WIRE").is_some() {
        let text: String = now.iter().map(|it| format!("{it}\n")).collect();
        fs::write(&path, text).unwrap();
        return;
    }
    let new: Vec<_> = now.difference(&kept).map(String::as_str).collect();
    assert!(
        new.is_empty(),
        "new in the schema: run this test once with UPDATE_WIRE=1 and commit {WIRE}:\n{}",
        new.join("\n")
    );
}
