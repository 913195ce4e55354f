//! Reads encoded messages for records: the request without personal data, the number of items in the answer, its
//! subjects.
use prost::encoding::{WireType, decode_key, decode_varint};
use serde_json::{Map, Value as Json};

use super::shape::{CountedList, FieldShape, Kind, Method, Shape, shapes};
use crate::log::record::Answered;

/// Bytes of a request that are looked at, at most.
pub const LOOKED_AT: usize = 4_096;
/// Bytes of what was asked in a record, at most; a few more, so that a text is not cut in the middle of what it says.
const MOST_ASKED: usize = 2_000;
/// Characters of a text that are told.
const MOST_TEXT: usize = 128;
/// Elements of a list that are told.
const MOST_LISTED: usize = 20;
/// Messages inside of messages that are looked into.
const MOST_DEEP: usize = 12;
/// Bytes before each message of a call: whether it is compressed, and its length.
const HEAD: usize = 5;

enum Value<'a> {
    Varint(u64),
    Fixed,
    Bytes(&'a [u8]),
}

/// The next field of an encoded message; nothing at its end, and where it cannot be read.
fn next<'a>(rest: &mut &'a [u8]) -> Option<(u32, Value<'a>)> {
    if rest.is_empty() {
        return None;
    }
    let (number, wire) = decode_key(rest).ok()?;
    let mut take = |count: usize| {
        let (taken, left) = rest.split_at_checked(count)?;
        *rest = left;
        Some(taken)
    };
    let value = match wire {
        WireType::Varint => Value::Varint(decode_varint(rest).ok()?),
        WireType::SixtyFourBit => take(8).map(|_| Value::Fixed)?,
        WireType::ThirtyTwoBit => take(4).map(|_| Value::Fixed)?,
        WireType::LengthDelimited => {
            let length = decode_varint(rest).ok()?;
            let (taken, left) = rest.split_at_checked(usize::try_from(length).ok()?)?;
            *rest = left;
            Value::Bytes(taken)
        }
        WireType::StartGroup | WireType::EndGroup => return None,
    };
    Some((number, value))
}

// === what was asked ===

/// What was asked, from the beginning of a request as it came.
pub fn asked(method: &Method, request: &[u8]) -> String {
    let Some(shape) = shapes().all.get(method.input) else { return String::new() };
    let told = tell(shape, request.get(HEAD..).unwrap_or_default(), 0);
    let text = told.to_string();
    if text.len() <= MOST_ASKED {
        return text;
    }
    // Only which fields it has: still JSON, and still true.
    let Json::Object(fields) = told else { return String::new() };
    let names = fields.into_iter().map(|(name, value)| (name, size_of(&value)));
    Json::Object(names.collect()).to_string()
}

fn size_of(value: &Json) -> Json {
    match value {
        Json::Array(items) => format!("({} items)", items.len()).into(),
        Json::Object(fields) => format!("({} fields)", fields.len()).into(),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => value.clone(),
    }
}

fn tell(shape: &Shape, mut rest: &[u8], depth: usize) -> Json {
    let mut told = Map::new();
    while let Some((number, value)) = next(&mut rest) {
        let Some(field) = shape.fields.get(&number) else { continue };
        let value = match (&field.kind, value) {
            _ if field.is_personal => Json::from("(withheld)"),
            // Numbers in a list are packed together.
            (Kind::Enum(_) | Kind::Bool | Kind::Int | Kind::Number, Value::Bytes(mut packed)) => {
                let mut count = 0;
                while !packed.is_empty()
                    && let Ok(it) = decode_varint(&mut packed)
                {
                    count += 1;
                    if count <= MOST_LISTED {
                        put(&mut told, field, number_of(&field.kind, it));
                    }
                }
                continue;
            }
            (kind, Value::Varint(it)) => number_of(kind, it),
            (_, Value::Fixed) => Json::from("(a number)"),
            (Kind::Message(at), Value::Bytes(bytes)) => match shapes().all.get(*at) {
                Some(shape) if depth < MOST_DEEP => tell(shape, bytes, depth + 1),
                Some(_) | None => Json::from("(deep)"),
            },
            (Kind::Text, Value::Bytes(bytes)) => text(bytes),
            (_, Value::Bytes(bytes)) => Json::from(format!("({} bytes)", bytes.len())),
        };
        put(&mut told, field, value);
    }
    Json::Object(told)
}

fn put(told: &mut Map<String, Json>, field: &FieldShape, value: Json) {
    if !field.is_list {
        told.insert(field.name.clone(), value);
        return;
    }
    let list = told.entry(field.name.clone()).or_insert_with(|| Json::Array(Vec::new()));
    if let Json::Array(items) = list {
        match items.len() {
            len if len < MOST_LISTED => items.push(value),
            MOST_LISTED => items.push("(and more)".into()),
            _ => {}
        }
    }
}

fn number_of(kind: &Kind, it: u64) -> Json {
    match kind {
        Kind::Bool => Json::Bool(it != 0),
        Kind::Int => Json::from(it.cast_signed()),
        Kind::Enum(names) => {
            let number = i32::try_from(it.cast_signed()).unwrap_or(-1);
            names.get(&number).map_or_else(|| Json::from(number), |it| Json::from(it.as_str()))
        }
        Kind::Message(_) | Kind::Text | Kind::Bytes | Kind::Number => Json::from(it),
    }
}

/// Codes and the like are told; of text in words, which could speak of a person, only how long it is. So of what
/// looks like a number or an address of one: some ask for a dossier by that instead of its code.
fn text(bytes: &[u8]) -> Json {
    let is_code = |it: &str| {
        let is_number = it.len() >= 9 && it.bytes().all(|it| it.is_ascii_digit() || it == b'+');
        let is_plain = it.len() <= MOST_TEXT && it.bytes().all(|it| it.is_ascii_graphic());
        is_plain && !is_number && !it.contains('@')
    };
    match std::str::from_utf8(bytes) {
        Ok(text) if is_code(text) => text.into(),
        Ok(text) => format!("({} characters)", text.chars().count()).into(),
        Err(_) => format!("({} bytes)", bytes.len()).into(),
    }
}

// === what was answered ===

/// Adds what is in messages of an answer, as they are sent. Whether there is personal data among it.
pub fn answered(method: &Method, mut sent: &[u8], found: &mut Answered) -> bool {
    let mut personal = false;
    let Some(shape) = shapes().all.get(method.output) else { return false };
    while let Some((head, rest)) = sent.split_at_checked(HEAD) {
        let [_, a, b, c, d] = head else { break };
        let length = u32::from_be_bytes([*a, *b, *c, *d]);
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let (message, rest) = rest.split_at_checked(length).unwrap_or((rest, &[]));
        sent = rest;
        count(shape, message, found);
        personal |= shape.carries && look(shape, message, &mut found.subjects, 0);
    }
    found.personal |= personal;
    personal
}

/// Counts a message's items, and finds its revision.
fn count(shape: &Shape, mut rest: &[u8], found: &mut Answered) {
    if shape.counts.is_none() {
        found.items += 1;
    }
    while let Some((number, value)) = next(&mut rest) {
        let (Some(field), Value::Bytes(bytes)) = (shape.fields.get(&number), value) else {
            continue;
        };
        let Kind::Message(at) = field.kind else { continue };
        let Some(inner) = shapes().all.get(at) else { continue };
        if field.is_list && shape.counts == Some(CountedList::Own) {
            found.items += 1;
        } else if shape.counts == Some(CountedList::In(number)) {
            count(inner, bytes, found);
        } else if inner.is_revision && !field.is_list {
            let mut rest = bytes;
            if let Some((1, Value::Varint(number))) = next(&mut rest) {
                found.revision = found.revision.max(number.cast_signed());
            }
        }
    }
}

/// Whether there is personal data in a message; of whom, if that is said.
fn look(shape: &Shape, message: &[u8], subjects: &mut Vec<String>, depth: usize) -> bool {
    let (mut personal, mut subject) = (false, None);
    let mut rest = message;
    while let Some((number, value)) = next(&mut rest) {
        let (Some(field), Value::Bytes(bytes)) = (shape.fields.get(&number), value) else {
            continue;
        };
        if shape.subject == Some(number) {
            subject = std::str::from_utf8(bytes).ok().map(str::to_owned);
        }
        personal |= match field.kind {
            _ if field.is_personal => !bytes.is_empty(),
            Kind::Message(at) => {
                let inner = shapes().all.get(at).filter(|it| it.carries);
                // What is too deep to be looked into may hold anything.
                inner.is_some_and(|it| depth > MOST_DEEP || look(it, bytes, subjects, depth + 1))
            }
            Kind::Enum(_) | Kind::Text | Kind::Bytes | Kind::Bool | Kind::Int | Kind::Number => {
                false
            }
        };
    }
    if let (true, Some(subject)) = (personal, subject)
        && !subjects.contains(&subject)
    {
        subjects.push(subject);
    }
    personal
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use crate::{log::wire::shape::method, pb};

    fn framed(message: &impl Message) -> Vec<u8> {
        let bytes = message.encode_to_vec();
        let length = u32::try_from(bytes.len()).unwrap();
        [&[0], length.to_be_bytes().as_slice(), &bytes].concat()
    }

    fn dossier(code: &str, name: &str) -> pb::Dossier {
        let applicant = pb::Applicant { name: name.to_owned(), ..Default::default() };
        let applicant = Some(applicant).filter(|it| !it.name.is_empty());
        pb::Dossier { code: code.to_owned(), applicant, ..Default::default() }
    }

    #[test]
    fn what_is_asked_is_told_without_personal_data() {
        let publish = method("/sharehub.v1.DossierService/PublishDossiers").unwrap();
        let applicant = pb::Applicant {
            name: "Nguyễn Thị Hoa".to_owned(),
            identity_number: "079203001234".to_owned(),
            ..Default::default()
        };
        let entry = pb::DossierEntry {
            code: "H61.1".to_owned(),
            procedure: "Cấp lại thẻ".to_owned(),
            applicant: Some(applicant),
            ..Default::default()
        };
        let request = pb::PublishDossiersRequest {
            request_id: "one".to_owned(),
            dossiers: vec![entry; 2],
            ..Default::default()
        };
        let told = asked(publish, &framed(&request));
        assert!(told.contains("H61.1") && told.contains("(11 characters)"), "{told}");
        assert!(told.contains("(withheld)"), "{told}");
        assert!(!told.contains("Hoa") && !told.contains("0792"), "{told}");
        // A long one, of which only the beginning was kept.
        let entry = request.dossiers.first().unwrap().clone();
        let long = pb::PublishDossiersRequest { dossiers: vec![entry; 500], ..request };
        let told = asked(publish, framed(&long).get(..LOOKED_AT).unwrap());
        let told: Json = serde_json::from_str(&told).unwrap();
        assert_eq!(told["request_id"], "one");
    }

    #[test]
    fn what_is_answered_is_counted_and_its_subjects_are_named() {
        let list = method("/sharehub.v1.DossierService/ListDossiers").unwrap();
        let read_at = Some(pb::Revision { number: 7, ..Default::default() });
        let dossiers = vec![dossier("a", "Hoa"), dossier("b", ""), dossier("c", "H***")];
        let answer = pb::ListDossiersResponse { read_at, dossiers, ..Default::default() };
        let mut found = Answered::default();
        assert!(answered(list, &framed(&answer), &mut found));
        let subjects = vec!["a".to_owned(), "c".to_owned()];
        assert_eq!(
            found,
            Answered { items: 3, rejected: 0, revision: 7, personal: true, subjects }
        );

        let get = method("/sharehub.v1.DossierService/GetDossier").unwrap();
        let answer = pb::GetDossierResponse { read_at, dossier: Some(dossier("b", "")) };
        let mut found = Answered::default();
        assert!(!answered(get, &framed(&answer), &mut found));
        assert_eq!(found, Answered { items: 1, revision: 7, ..Answered::default() });
    }

    #[test]
    fn what_cannot_be_read_is_passed_over() {
        let list = method("/sharehub.v1.DossierService/ListDossiers").unwrap();
        for bytes in [&[][..], &[0], &[0, 0, 0, 0, 9, 1], &[0, 0, 0, 0, 3, 0xff, 0xff, 0xff]] {
            let mut found = Answered::default();
            assert!(!answered(list, bytes, &mut found));
            let told = asked(list, bytes);
            assert_eq!(told, "{}");
        }
    }
}
