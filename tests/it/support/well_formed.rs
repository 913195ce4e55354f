//! The form of every refusal that the suite sees: whose words its reason is, a sentence in Vietnamese, and paths of
//! fields that a program can follow.
use std::sync::LazyLock;

use prost_reflect::{DescriptorPool, DynamicMessage, ReflectMessage, Value};
use sharehub::pb;
use tonic::{Code, Status};
use tonic_types::StatusExt;

/// Whether a text is the path of a field: names joined by dots, each with indices or a quoted key behind it.
fn is_path(text: &str) -> bool {
    text.split('.').all(is_step)
}

fn is_step(text: &str) -> bool {
    let is_name = |it: &str| {
        let is_letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        !it.is_empty() && it.bytes().all(is_letter)
    };
    let is_key = |it: &str| {
        let quoted = it.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
        match quoted {
            Some(key) => !key.is_empty() && !key.contains('"'),
            None => !it.is_empty() && it.bytes().all(|b| b.is_ascii_digit()),
        }
    };
    match text.split_once('[') {
        None => is_name(text),
        Some((name, keys)) => {
            let keys = keys.strip_suffix(']');
            is_name(name) && keys.is_some_and(|keys| keys.split("][").all(is_key))
        }
    }
}

/// Looks at a refusal of a method; what the transport says of its own has no details.
pub fn must_be_well_formed(method: &str, status: &Status) {
    if status.code() == Code::Ok || status.details().is_empty() {
        return;
    }
    let details = status.get_error_details();
    let info = details.error_info().expect("a refusal has an ErrorInfo");
    assert_eq!(info.domain, "sharehub.gov.vn", "{method}");
    let told = details.localized_message().expect("a refusal has a LocalizedMessage");
    assert!(told.locale == "vi" && told.message.ends_with('.'), "{method}: {told:?}");
    let bad = details.bad_request().map_or(&[][..], |it| it.field_violations.as_slice());
    for it in bad {
        assert!(is_path(&it.field), "{method} names a field `{}`: {}", it.field, it.description);
    }
    let is_about_fields = info.reason == "ERROR_REASON_FIELD_INVALID";
    assert!(!is_about_fields || !bad.is_empty(), "{method}: no field is named: {status:?}");
    if let [first, ..] = bad {
        assert!(told.message.contains(&first.field), "{method}: {told:?}");
        assert!(!is_about_fields || status.message().contains(&first.field), "{status:?}");
    }
}

/// Looks at the items that an answer to a write says were refused.
pub fn must_name_fields_well(method: &str, frames: &[u8]) {
    static POOL: LazyLock<DescriptorPool> =
        LazyLock::new(|| DescriptorPool::decode(pb::DESCRIPTORS).unwrap());
    let Some((service, name)) = method.trim_start_matches('/').split_once('/') else { return };
    if !["Publish", "Define", "Ingest"].iter().any(|it| name.starts_with(it)) {
        return;
    }
    let Some(service) = POOL.get_service_by_name(service) else { return };
    let Some(method) = service.methods().find(|it| it.name() == name) else { return };
    let mut rest = frames;
    // What is cut, or compressed, is not looked at.
    while let [0, a, b, c, d, more @ ..] = rest {
        let length = usize::try_from(u32::from_be_bytes([*a, *b, *c, *d])).unwrap();
        let Some((message, next)) = more.split_at_checked(length) else { return };
        let message = DynamicMessage::decode(method.output(), message).unwrap();
        look_at(name, &message);
        rest = next;
    }
}

fn look_at(method: &str, message: &DynamicMessage) {
    if message.descriptor().full_name() == "sharehub.v1.FieldViolation" {
        let field = message.get_field_by_name("field").unwrap();
        let field = field.as_str().unwrap();
        assert!(is_path(field), "{method} names a field `{field}` of an item");
    }
    for (_, value) in message.fields() {
        match value {
            Value::Message(it) => look_at(method, it),
            Value::List(all) => {
                all.iter().filter_map(Value::as_message).for_each(|it| look_at(method, it));
            }
            _ => {}
        }
    }
}

#[test]
fn paths_are_told_from_what_is_none() {
    for path in ["a", "a_1.b", "units[0]", "a[0].b[12].code.code", r#"values["sex=f"]"#] {
        assert!(is_path(path), "{path}");
    }
    let not = ["", ".", ".a", "a.", "a..b", "[0]", "a[].b", "a[x]", "a b", "A", "a[0]b", "a-b"];
    for path in not {
        assert!(!is_path(path), "{path}");
    }
}
