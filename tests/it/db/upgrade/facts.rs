//! What is read of a store, as facts: a line for each, without the names of fields.
mod access;
mod dossiers;
mod indicators;
mod log;

use sharehub::{pb, time::Day};

use crate::support::{
    client::{Client, exactly, gso},
    hub::Hub,
};

/// What was noted when the store was made: keys, revisions, tokens.
type Notes = serde_json::Map<String, serde_json::Value>;

fn text<'a>(notes: &'a Notes, name: &str) -> &'a str {
    notes[name].as_str().unwrap()
}

fn number(notes: &Notes, name: &str) -> i64 {
    notes[name].as_i64().unwrap()
}

fn instant(it: &Option<prost_types::Timestamp>) -> String {
    it.map_or("-".to_owned(), |it| format!("{}.{:09}", it.seconds, it.nanos))
}

fn revision(it: &Option<pb::Revision>) -> String {
    it.as_ref().map_or("-".to_owned(), |it| format!("{}@{}", it.number, instant(&it.committed_at)))
}

fn or_none(it: &Option<String>) -> &str {
    it.as_deref().unwrap_or("-")
}

fn name(it: &Option<pb::UnitName>) -> String {
    it.as_ref().map_or("-".to_owned(), |it| format!("{}/{}/{}", it.id, it.code, it.name))
}

/// Days from the first to the one after the last, told as the release told them: through the last.
fn days(first: &str, before: &str) -> String {
    let last = Day::parse(before).map(|it| it.previous().to_string()).unwrap_or_default();
    format!("{first}..{last}")
}

fn whole() -> Option<pb::PageRequest> {
    Some(pb::PageRequest { size: 1_000, token: String::new() })
}

fn unit(it: &pb::Unit) -> String {
    let codes = it.codes.iter();
    let codes: Vec<_> = codes
        .map(|it| format!("{}:{} {}", it.scheme, it.code, days(&it.valid_from, &it.valid_before)))
        .collect();
    let parents = it.parents.iter();
    let parents: Vec<_> = parents
        .map(|it| {
            format!(
                "{:?} {} {}",
                it.tree(),
                name(&it.parent),
                days(&it.valid_from, &it.valid_before)
            )
        })
        .collect();
    let held = days(&it.valid_from, &it.valid_before);
    format!(
        "unit {} {:?} {} {held} {codes:?} {parents:?} made {}",
        it.id,
        it.level(),
        it.name,
        it.revision
    )
}

/// Asks a hub for the facts.
pub struct Facts<'a> {
    hub: &'a Hub,
    notes: &'a Notes,
    /// A system that may read everything but personal data.
    reader: Client,
}

impl<'a> Facts<'a> {
    pub fn of(hub: &'a Hub, notes: &'a Notes) -> Self {
        Self { hub, notes, reader: hub.as_(text(notes, "reader_key")) }
    }

    fn at(&self, note: &str) -> Option<pb::Consistency> {
        exactly(number(self.notes, note))
    }

    pub async fn units(&self) -> Vec<String> {
        let mut facts = Vec::new();
        for (date, consistency) in
            [("2024-12-31", None), ("2026-01-01", None), ("2026-01-01", self.at("before_units"))]
        {
            let list = pb::ListUnitsRequest {
                date: date.to_owned(),
                page: whole(),
                consistency,
                ..Default::default()
            };
            let listed = self.reader.units().list_units(list).await.unwrap().into_inner();
            facts.extend(listed.units.iter().map(unit));
        }
        let trace = pb::TraceUnitRequest {
            unit: gso("838", "2024-12-31"),
            date: "2026-01-01".to_owned(),
            consistency: None,
        };
        let traced = self.reader.units().trace_unit(trace).await.unwrap().into_inner();
        facts.extend(
            traced.heirs.iter().map(|it| format!("heir {} {:?}", name(&it.unit), it.transfer())),
        );
        facts.extend(traced.steps.iter().map(|it| {
            let (from, to) = (name(&it.predecessor), name(&it.successor));
            let kinds = format!("{:?} {:?}", it.kind(), it.transfer());
            format!(
                "step {from} to {to} {kinds} {} {:?} {} {}",
                it.effective_date, it.weight, it.legal_act, it.source
            )
        }));
        facts
    }
}
