//! Reads the requests that register or update a system.
use std::collections::{BTreeMap, BTreeSet};

use crate::{
    access::queries::{GrantsUpdate, Register, Update},
    caller::{Grants, Pattern, SystemCode},
    error::{Error, Result},
    hub::BatchOptions,
    pb,
    revision::expected::Expected,
    unit::wire::UnitFields,
    wire::{Fields, fingerprint},
};

impl TryFrom<pb::RegisterSystemRequest> for (BatchOptions, Register) {
    type Error = Error;

    fn try_from(msg: pb::RegisterSystemRequest) -> Result<Self> {
        let fingerprint = fingerprint("RegisterSystem", &msg);
        let pb::RegisterSystemRequest {
            request_id,
            code,
            name,
            grants,
            statuses,
            agency_unit,
            contact,
        } = msg;
        let mut fields = Fields::default();
        let request_id = fields.request_id(request_id);
        let code = fields.read("code", SystemCode::parse(&code));
        let name = fields.some_text("name", name, 200);
        let grants = fields.within("grants", |it| read_grants(it, grants.unwrap_or_default()));
        let statuses = read_statuses(&mut fields, statuses);
        let agency_unit = fields.maybe_unit("agency_unit", agency_unit);
        let contact = fields.text("contact", contact, MOST_CONTACT);
        fields.done(|| {
            let ask = BatchOptions::whole(request_id?, fingerprint, false, "");
            let register = Register {
                code: code?,
                name: name?,
                grants: grants?,
                statuses: statuses?,
                agency_unit: agency_unit?,
                contact: contact?,
            };
            Some((ask, register))
        })
    }
}

/// Longest contact, in characters.
const MOST_CONTACT: usize = 300;

fn read_grants(fields: &mut Fields, grants: pb::Grants) -> Option<Grants> {
    let pb::Grants { administrator, publish_units, define_indicators, define_procedures, auditor } =
        grants;
    let define_indicators = patterns(fields, "define_indicators", &define_indicators);
    Some(Grants {
        administrator,
        publish_units,
        define_indicators: define_indicators?,
        define_procedures,
        auditor,
    })
}

pub(super) fn patterns(fields: &mut Fields, field: &str, texts: &[String]) -> Option<Vec<Pattern>> {
    fields.at_most(field, texts.len(), 1_000)?;
    let read = texts.iter().enumerate();
    let read = read.map(|(i, it)| fields.read(&format!("{field}[{i}]"), Pattern::parse(it)));
    read.collect::<Vec<_>>().into_iter().collect()
}

fn read_statuses(
    fields: &mut Fields,
    statuses: Vec<pb::StatusMapping>,
) -> Option<BTreeMap<String, i32>> {
    fields.at_most("statuses", statuses.len(), 200)?;
    let mut read = BTreeMap::new();
    for (i, pb::StatusMapping { source_status, state }) in statuses.into_iter().enumerate() {
        fields.within(&format!("statuses[{i}]"), |fields| {
            let code = fields.some_text("source_status", source_status, 64)?;
            if !(1..=10).contains(&state) {
                fields.refuse("state", "be one of the ten national states");
            } else if read.insert(code, state).is_some() {
                fields.refuse("source_status", "not be listed twice");
            }
            Some(())
        });
    }
    Some(read)
}

impl TryFrom<pb::UpdateSystemRequest> for (BatchOptions, Update) {
    type Error = Error;

    fn try_from(msg: pb::UpdateSystemRequest) -> Result<Self> {
        let fingerprint = fingerprint("UpdateSystem", &msg);
        let pb::UpdateSystemRequest { request_id, system, update_mask, expected_revision } = msg;
        let mut fields = Fields::default();
        let request_id = fields.request_id(request_id);
        let paths = update_mask.unwrap_or_default().paths;
        let mask = read_mask(&mut fields, &paths);
        let expected = fields.expected_revision(expected_revision);
        let update = fields.within("system", |fields| {
            read_update(fields, system.unwrap_or_default(), &mask, expected)
        });
        fields.done(|| Some((BatchOptions::whole(request_id?, fingerprint, false, ""), update?)))
    }
}

/// The paths of a system that a mask may name; `grants` stands for all of its fields.
const CHANGEABLE: [&str; 9] = [
    "name",
    "grants.administrator",
    "grants.publish_units",
    "grants.define_indicators",
    "grants.define_procedures",
    "grants.auditor",
    "statuses",
    "agency_unit",
    "contact",
];

fn read_mask(fields: &mut Fields, paths: &[String]) -> BTreeSet<&'static str> {
    let mut mask = BTreeSet::new();
    if paths.is_empty() {
        fields.refuse("update_mask", "name the fields that are to change");
    }
    for path in paths {
        let below = |it: &&str| *it == path || (path == "grants" && it.starts_with("grants."));
        let named: Vec<_> = CHANGEABLE.into_iter().filter(below).collect();
        if named.is_empty() {
            let known = "name only `name`, `grants`, a field of `grants`, `statuses`, `agency_unit` and `contact`";
            // The refusal repeats the path as it was sent, unless it is long.
            let shown: String = path.chars().take(100).collect();
            fields.refuse("update_mask", format!("{known}, not {shown:?}"));
            return mask;
        }
        mask.extend(named);
    }
    mask
}

/// Reads the fields that the mask names, and ignores the others.
fn read_update(
    fields: &mut Fields,
    system: pb::RegisteredSystem,
    mask: &BTreeSet<&str>,
    expected: Option<Expected>,
) -> Option<Update> {
    let pb::RegisteredSystem {
        code,
        name,
        grants,
        statuses,
        disabled: _,
        keys: _,
        revision: _,
        agency_unit,
        contact,
        agency: _,
    } = system;
    let has = |path: &str| mask.contains(path);
    let code = fields.read("code", SystemCode::parse(&code));
    let name = match has("name") {
        true => fields.some_text("name", name, 200).map(Some),
        false => Some(None),
    };
    let pb::Grants { administrator, publish_units, define_indicators, define_procedures, auditor } =
        grants.unwrap_or_default();
    let define_indicators = match has("grants.define_indicators") {
        true => fields
            .within("grants", |it| patterns(it, "define_indicators", &define_indicators))
            .map(Some),
        false => Some(None),
    };
    let statuses = match has("statuses") {
        true => read_statuses(fields, statuses).map(Some),
        false => Some(None),
    };
    let agency_unit = match has("agency_unit") {
        true => fields.maybe_unit("agency_unit", agency_unit).map(Some),
        false => Some(None),
    };
    let contact = match has("contact") {
        true => fields.text("contact", contact, MOST_CONTACT).map(Some),
        false => Some(None),
    };
    let grants = GrantsUpdate {
        administrator: has("grants.administrator").then_some(administrator),
        publish_units: has("grants.publish_units").then_some(publish_units),
        define_indicators: define_indicators?,
        define_procedures: has("grants.define_procedures").then_some(define_procedures),
        auditor: has("grants.auditor").then_some(auditor),
    };
    let (name, statuses, expected) = (name?, statuses?, expected?);
    let (agency_unit, contact) = (agency_unit?, contact?);
    Some(Update { code: code?, name, grants, statuses, agency_unit, contact, expected })
}
