//! Reads procedures, dossiers and events to be published, or names every bad field of each.
use prost::Message;

use crate::{
    caller::SystemCode,
    decimal::Decimal,
    dossier::{
        Alias, ApplicantKind, Case, Code, Document, EventEntry, Fee, Longest, OnlineLevel,
        Procedure, ProcedureCode, SubmissionChannel, TimeUnit,
        queries::{
            Define, Entry, GetProcedure, ListProcedures, ProcedureEntry, Publish, PublishEvents,
        },
    },
    error::{Error, ItemLists, Result},
    hub::BatchOptions,
    limits::MOST_ITEMS,
    load::{
        Progress, Step,
        rpc::{Loaded, load_items, load_name},
    },
    pb,
    personal::{Applicant, Personal},
    slug::{SLUG_RULE, is_slug},
    time::Timestamp,
    unit::{Level, wire::UnitFields},
    wire::{Fields, fingerprint},
};

/// How far a source's clock may be ahead of the hub's, in microseconds.
const SKEW: i64 = 5 * 60 * 1_000_000;

// === procedures ===

impl TryFrom<pb::DefineProceduresRequest> for (BatchOptions, Define) {
    type Error = Error;

    fn try_from(mut msg: pb::DefineProceduresRequest) -> Result<Self> {
        let validate_only = std::mem::take(&mut msg.validate_only);
        let fingerprint = fingerprint("DefineProcedures", &msg);
        let pb::DefineProceduresRequest { request_id, allow_partial, procedures, validate_only: _ } =
            msg;
        let mut fields = Fields::default();
        let request_id = fields.request_id(request_id);
        fields.at_most("procedures", procedures.len(), MOST_ITEMS);
        fields.done(|| {
            let list = "procedures";
            let ask = BatchOptions {
                request_id: request_id?,
                fingerprint,
                allow_partial,
                validate_only,
                lists: ItemLists::One(list),
            };
            Some((ask, Define(procedures.into_iter().map(ProcedureEntry::try_from).collect())))
        })
    }
}

impl TryFrom<pb::Procedure> for ProcedureEntry {
    type Error = Error;

    fn try_from(msg: pb::Procedure) -> Result<Self> {
        let mut fields = Fields::of(&msg);
        let pb::Procedure {
            code,
            name,
            field_code,
            field_name,
            owner_level,
            online_level,
            has_fee,
            cases,
            aliases,
            revision: _,
            expected_revision,
        } = msg;
        let code = fields.read("code", ProcedureCode::parse(&code));
        let name = fields.some_text("name", name, 500);
        let field_code = fields.text("field_code", field_code, 64);
        let field_name = fields.text("field_name", field_name, 200);
        let owner_level = fields.maybe_word("owner_level", owner_level, Level::of);
        let online_level = fields.maybe_word("online_level", online_level, OnlineLevel::of);
        let cases = read_cases(&mut fields, cases);
        let aliases = read_aliases(&mut fields, aliases);
        let expected = fields.expected_revision(expected_revision);
        fields.done(|| {
            let procedure = Procedure {
                id: 0,
                code: code?,
                name: name?,
                field_code: field_code?,
                field_name: field_name?,
                owner_level: owner_level?,
                online_level: online_level?,
                has_fee,
                cases: cases?,
                aliases: aliases?,
                made_at: 0,
            };
            Some(Self { procedure, expected: expected? })
        })
    }
}

fn read_cases(fields: &mut Fields, cases: Vec<pb::ProcedureCase>) -> Option<Vec<Case>> {
    fields.at_most("cases", cases.len(), 50);
    let is_only = cases.len() == 1;
    let mut codes = std::collections::BTreeSet::new();
    let read: Vec<_> = cases
        .into_iter()
        .enumerate()
        .map(|(i, pb::ProcedureCase { code, name, max_time, time_unit })| {
            fields.within(&format!("cases[{i}]"), |fields| {
                if code.is_empty() && !is_only {
                    fields.refuse("code", "not be empty beside other cases");
                } else if !codes.insert(code.clone()) {
                    fields.refuse("code", "be another one than those of the cases before");
                }
                let code = fields.text("code", code, 64);
                let name = fields.text("name", name, 300);
                let longest = read_longest(fields, max_time, time_unit);
                Some(Case { code: code?, name: name?, longest: longest? })
            })
        })
        .collect();
    read.into_iter().collect()
}

fn read_longest(fields: &mut Fields, count: i32, unit: i32) -> Option<Option<Longest>> {
    if !(0..=10_000).contains(&count) {
        fields.refuse("max_time", "be 1 to 10000, or 0 when none is set");
    }
    if count == 0 {
        if unit != 0 {
            fields.refuse("time_unit", "be unspecified without a `max_time`");
        }
        return Some(None);
    }
    let unit = fields.word("time_unit", unit, TimeUnit::of)?;
    Some(Some(Longest { count, unit }))
}

fn read_aliases(fields: &mut Fields, aliases: Vec<pb::ProcedureAlias>) -> Option<Vec<Alias>> {
    fields.at_most("aliases", aliases.len(), 50);
    let mut names = std::collections::BTreeSet::new();
    let read: Vec<_> = aliases
        .into_iter()
        .enumerate()
        .map(|(i, pb::ProcedureAlias { source, alias })| {
            fields.within(&format!("aliases[{i}]"), |fields| {
                if !names.insert((source.clone(), alias.clone())) {
                    fields.refuse("alias", "be another one than those before");
                }
                let source = fields.read("source", SystemCode::parse(&source));
                let alias = fields.some_text("alias", alias, 100);
                Some(Alias { source: source?.as_str().to_owned(), alias: alias? })
            })
        })
        .collect();
    read.into_iter().collect()
}

impl TryFrom<pb::GetProcedureRequest> for GetProcedure {
    type Error = Error;

    fn try_from(msg: pb::GetProcedureRequest) -> Result<Self> {
        let pb::GetProcedureRequest { code, source, consistency } = msg;
        let mut fields = Fields::default();
        let code = fields.some_text("code", code, 100);
        if !source.is_empty() && !is_slug(&source) {
            fields.refuse("source", SLUG_RULE);
        }
        let consistency = fields.consistency(consistency);
        fields.done(|| Some(Self { code: code?, source, consistency: consistency? }))
    }
}

impl TryFrom<pb::ListProceduresRequest> for ListProcedures {
    type Error = Error;

    fn try_from(mut msg: pb::ListProceduresRequest) -> Result<Self> {
        let page = msg.page.take();
        let mut fields = Fields::default();
        let page = fields.page(page, "ListProcedures", &msg);
        let pb::ListProceduresRequest { field_code, page: _, consistency } = msg;
        let field_code = fields.text("field_code", field_code, 64);
        let consistency = fields.consistency(consistency);
        fields
            .done(|| Some(Self { field_code: field_code?, page: page?, consistency: consistency? }))
    }
}

// === publishing ===

impl TryFrom<pb::PublishDossiersRequest> for (BatchOptions, Publish) {
    type Error = Error;

    fn try_from(mut msg: pb::PublishDossiersRequest) -> Result<Self> {
        let validate_only = std::mem::take(&mut msg.validate_only);
        let fingerprint = fingerprint("PublishDossiers", &msg);
        let pb::PublishDossiersRequest { request_id, allow_partial, dossiers, validate_only: _ } =
            msg;
        let mut fields = Fields::default();
        let request_id = fields.request_id(request_id);
        let events: usize = dossiers.iter().map(|it| it.events.len()).sum();
        fields.at_most("dossiers", dossiers.len() + events, MOST_ITEMS);
        fields.done(|| {
            let list = "dossiers";
            let ask = BatchOptions {
                request_id: request_id?,
                fingerprint,
                allow_partial,
                validate_only,
                lists: ItemLists::One(list),
            };
            Some((ask, Publish(dossiers.into_iter().map(Entry::try_from).collect())))
        })
    }
}

impl TryFrom<pb::IngestDossiersRequest> for Step<Entry> {
    type Error = Error;

    fn try_from(msg: pb::IngestDossiersRequest) -> Result<Self> {
        use pb::ingest_dossiers_request::Step as Sent;
        let bytes = msg.encoded_len();
        let pb::IngestDossiersRequest { step } = msg;
        match step {
            Some(Sent::Open(open)) => Ok(Self::Open(load_name(open)?)),
            Some(Sent::Batch(pb::DossierBatch { first, dossiers })) => {
                let events = dossiers.iter().map(|it| it.events.len()).sum();
                Ok(Self::Items(load_items("dossiers", first, dossiers, events, bytes)?))
            }
            None => Err(Error::field("step", "be `open` or `batch`")),
        }
    }
}

impl From<Progress> for pb::IngestDossiersResponse {
    fn from(progress: Progress) -> Self {
        use pb::ingest_dossiers_response::Step as Told;
        let step = match progress.into() {
            Loaded::Opened(it) => Told::Opened(it),
            Loaded::Acknowledged(it) => Told::Acknowledged(it),
        };
        Self { step: Some(step) }
    }
}

impl TryFrom<pb::PublishEventsRequest> for (BatchOptions, PublishEvents) {
    type Error = Error;

    fn try_from(mut msg: pb::PublishEventsRequest) -> Result<Self> {
        let validate_only = std::mem::take(&mut msg.validate_only);
        let fingerprint = fingerprint("PublishEvents", &msg);
        let pb::PublishEventsRequest { request_id, allow_partial, events, validate_only: _ } = msg;
        let mut fields = Fields::default();
        let request_id = fields.request_id(request_id);
        fields.at_most("events", events.len(), MOST_ITEMS);
        let latest = latest();
        let read = |pb::EventForDossier { dossier, event }| {
            let mut fields = Fields::default();
            let code = fields.read("dossier", Code::parse(&dossier));
            if event.is_none() {
                fields.refuse("event", "say what happened");
            }
            let event =
                event.map(|it| fields.within("event", |fields| read_event(fields, it, latest)));
            fields.done(|| Some((code?, event??)))
        };
        fields.done(|| {
            let list = "events";
            let ask = BatchOptions {
                request_id: request_id?,
                fingerprint,
                allow_partial,
                validate_only,
                lists: ItemLists::One(list),
            };
            Some((ask, PublishEvents(events.into_iter().map(read).collect())))
        })
    }
}

impl TryFrom<pb::DossierEntry> for Entry {
    type Error = Error;

    fn try_from(msg: pb::DossierEntry) -> Result<Self> {
        let pb::DossierEntry {
            code,
            procedure,
            procedure_case,
            receiving_unit,
            competent_unit,
            applicant_unit,
            channel,
            applicant_kind,
            applicant,
            fees,
            components,
            results,
            events,
        } = msg;
        let mut fields = Fields::default();
        let code = fields.read("code", Code::parse(&code));
        let procedure = fields.some_text("procedure", procedure, 100);
        let procedure_case = fields.text("procedure_case", procedure_case, 64);
        let receiving_unit = fields.unit("receiving_unit", receiving_unit);
        let competent_unit = fields.maybe_unit("competent_unit", competent_unit);
        let applicant_unit = fields.maybe_unit("applicant_unit", applicant_unit);
        let channel = fields.maybe_word("channel", channel, SubmissionChannel::of);
        let applicant_kind = fields.maybe_word("applicant_kind", applicant_kind, ApplicantKind::of);
        let applicant = fields.within("applicant", |fields| read_applicant(fields, applicant));
        let fees = read_list(&mut fields, "fees", fees, 50, read_fee);
        let components = read_list(&mut fields, "components", components, 200, read_document);
        let results = read_list(&mut fields, "results", results, 50, read_document);
        let latest = latest();
        let read = |fields: &mut Fields, it| read_event(fields, it, latest);
        let events = read_list(&mut fields, "events", events, MOST_ITEMS, read);
        fields.done(|| {
            Some(Self {
                code: code?,
                procedure: procedure?,
                procedure_case: procedure_case?,
                receiving_unit: receiving_unit?,
                competent_unit: competent_unit?,
                applicant_unit: applicant_unit?,
                channel: channel?,
                applicant_kind: applicant_kind?,
                applicant: applicant?,
                fees: fees?,
                components: components?,
                results: results?,
                events: events?,
            })
        })
    }
}

/// Reads each item of a list, of at most `most`.
fn read_list<M, T>(
    fields: &mut Fields,
    name: &str,
    list: Vec<M>,
    most: usize,
    read: impl Fn(&mut Fields, M) -> Option<T>,
) -> Option<Vec<T>> {
    fields.at_most(name, list.len(), most)?;
    let read: Vec<_> = list
        .into_iter()
        .enumerate()
        .map(|(i, it)| fields.within(&format!("{name}[{i}]"), |fields| read(fields, it)))
        .collect();
    read.into_iter().collect()
}

/// An applicant without any field set counts as absent.
fn read_applicant(
    fields: &mut Fields,
    applicant: Option<pb::Applicant>,
) -> Option<Option<Applicant>> {
    let pb::Applicant { name, identity_number, phone, email, address } =
        applicant.unwrap_or_default();
    let name = fields.text("name", name, 200);
    let identity_number = fields.text("identity_number", identity_number, 32);
    let phone = fields.text("phone", phone, 32);
    let email = fields.text("email", email, 200);
    let address = fields.text("address", address, 500);
    let read = Applicant {
        name: name?,
        identity_number: identity_number?,
        phone: phone?,
        email: email?,
        address: address?,
    };
    Some((read != Applicant::default()).then_some(read))
}

fn read_fee(fields: &mut Fields, fee: pb::DossierFee) -> Option<Fee> {
    let pb::DossierFee { name, amount, paid_online } = fee;
    let name = fields.some_text("name", name, 200);
    let amount = fields.read("amount", Decimal::parse(&amount));
    if amount.as_ref().is_some_and(Decimal::is_negative) {
        fields.refuse("amount", "be 0 or more");
    }
    Some(Fee { name: Personal::sent(name?), amount: amount?, paid_online })
}

fn read_document(fields: &mut Fields, document: pb::DossierDocument) -> Option<Document> {
    let pb::DossierDocument { name, code, digitized, reused } = document;
    let name = fields.some_text("name", name, 300);
    let code = fields.text("code", code, 100);
    let (name, code) = (Personal::sent(name?), Personal::sent(code?));
    Some(Document { name, code, digitized, reused })
}

/// The latest instant that an event may have.
pub(super) fn latest() -> Timestamp {
    Timestamp::from_micros(Timestamp::now().micros() + SKEW)
}

fn read_event(
    fields: &mut Fields,
    event: pb::DossierEventEntry,
    latest: Timestamp,
) -> Option<EventEntry> {
    let pb::DossierEventEntry { event_id, occurred_at, source_status, due_at, note } = event;
    let event_id = fields.text("event_id", event_id, 100);
    let occurred_at = fields.instant("occurred_at", occurred_at);
    match occurred_at {
        Some(None) => fields.refuse("occurred_at", "say when it happened"),
        Some(Some(at)) if at > latest => fields.refuse("occurred_at", "not lie in the future"),
        Some(Some(_)) | None => {}
    }
    let source_status = fields.some_text("source_status", source_status, 64);
    let due_at = fields.instant("due_at", due_at);
    let note = fields.text("note", note, 1_000);
    Some(EventEntry {
        event_id: event_id?,
        occurred_at: occurred_at??,
        source_status: source_status?,
        due_at: due_at?,
        note: Personal::sent(note?),
    })
}
