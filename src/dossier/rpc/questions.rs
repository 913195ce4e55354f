//! Turns messages into queries, or names every bad field.
use super::entries::latest;
use crate::{
    dossier::{
        Code, ProcedureCode, State, SubmissionChannel, SummaryDimension,
        national_766::SummaryRule,
        queries::{Erase, Export, Filter, Get, List, LookUp, Summarize, Whose},
    },
    error::{Error, Result},
    hub::BatchOptions,
    pb,
    period::Period,
    personal::{Kind, Sought},
    unit::wire::UnitFields,
    wire::{Fields, fingerprint},
};

impl TryFrom<pb::GetDossierRequest> for Get {
    type Error = Error;

    fn try_from(msg: pb::GetDossierRequest) -> Result<Self> {
        let pb::GetDossierRequest { code, as_of, consistency } = msg;
        let mut fields = Fields::default();
        let code = fields.some_text("code", code, 64);
        let as_of = fields.instant("as_of", as_of);
        let consistency = fields.consistency(consistency);
        fields.done(|| Some(Self { code: code?, as_of: as_of?, consistency: consistency? }))
    }
}

impl TryFrom<pb::LookUpDossierRequest> for LookUp {
    type Error = Error;

    fn try_from(msg: pb::LookUpDossierRequest) -> Result<Self> {
        let pb::LookUpDossierRequest { code, consistency } = msg;
        let mut fields = Fields::default();
        let code = fields.some_text("code", code, 64);
        let consistency = fields.consistency(consistency);
        fields.done(|| Some(Self { code: code?, consistency: consistency? }))
    }
}

impl TryFrom<pb::ListDossiersRequest> for List {
    type Error = Error;

    fn try_from(mut msg: pb::ListDossiersRequest) -> Result<Self> {
        let page = msg.page.take();
        let mut fields = Fields::default();
        let page = fields.page(page, "ListDossiers", &msg);
        let pb::ListDossiersRequest {
            receiving_unit,
            procedure,
            state,
            accepted_from,
            accepted_before,
            page: _,
            consistency,
            applicant,
        } = msg;
        let accepted = (accepted_from, accepted_before);
        let filter = filter(&mut fields, receiving_unit, &procedure, state, accepted, applicant);
        let consistency = fields.consistency(consistency);
        fields.done(|| Some(Self { filter: filter?, page: page?, consistency: consistency? }))
    }
}

impl TryFrom<pb::ExportDossiersRequest> for Export {
    type Error = Error;

    fn try_from(msg: pb::ExportDossiersRequest) -> Result<Self> {
        let pb::ExportDossiersRequest {
            receiving_unit,
            procedure,
            state,
            accepted_from,
            accepted_before,
            consistency,
            applicant,
        } = msg;
        let mut fields = Fields::default();
        let accepted = (accepted_from, accepted_before);
        let filter = filter(&mut fields, receiving_unit, &procedure, state, accepted, applicant);
        let consistency = fields.consistency(consistency);
        fields.done(|| Some(Self { filter: filter?, consistency: consistency? }))
    }
}

impl TryFrom<pb::ErasePersonalDataRequest> for (BatchOptions, Erase) {
    type Error = Error;

    fn try_from(msg: pb::ErasePersonalDataRequest) -> Result<Self> {
        let fingerprint = fingerprint("ErasePersonalData", &msg);
        let mut fields = Fields::of(&msg);
        let pb::ErasePersonalDataRequest {
            request_id,
            dossiers,
            applicant,
            superseded_only,
            legal_basis,
        } = msg;
        let request_id = fields.request_id(request_id);
        let legal_basis = fields.some_text("legal_basis", legal_basis, 500);
        let whose = match applicant {
            Some(_) if !dossiers.is_empty() => {
                fields.refuse("dossiers", "be empty when `applicant` is given");
                None
            }
            Some(it) => {
                fields.within("applicant", |fields| read_sought(fields, it)).map(Whose::Applicant)
            }
            None => read_codes(&mut fields, &dossiers).map(Whose::Dossiers),
        };
        fields.done(|| {
            let ask = BatchOptions::whole(request_id?, fingerprint, false, "dossiers");
            let (whose, legal_basis) = (whose?, legal_basis?);
            Some((ask, Erase { whose, superseded_only, legal_basis }))
        })
    }
}

fn read_codes(fields: &mut Fields, codes: &[String]) -> Option<Vec<Code>> {
    const MOST: usize = 1_000;
    if codes.is_empty() || codes.len() > MOST {
        fields
            .refuse("dossiers", format!("name 1 to {MOST} dossiers, unless `applicant` is given"));
        return None;
    }
    let mut read = Vec::with_capacity(codes.len());
    for (i, code) in codes.iter().enumerate() {
        if let Some(code) = fields.read(&format!("dossiers[{i}]"), Code::parse(code)) {
            if read.contains(&code) {
                fields.refuse(&format!("dossiers[{i}]"), "not be named twice");
            }
            read.push(code);
        }
    }
    Some(read)
}

/// Reads the filter of a page or an export.
fn filter(
    fields: &mut Fields,
    receiving_unit: Option<pb::UnitRef>,
    procedure: &str,
    state: i32,
    (since, before): (Option<prost_types::Timestamp>, Option<prost_types::Timestamp>),
    applicant: Option<pb::ApplicantKey>,
) -> Option<Filter> {
    let receiving_unit = fields.maybe_unit("receiving_unit", receiving_unit);
    let procedure = maybe_procedure(fields, procedure);
    let state = fields.maybe_word("state", state, State::of);
    let accepted_from = fields.instant("accepted_from", since);
    let accepted_before = fields.instant("accepted_before", before);
    fields.in_order(("accepted_from", accepted_from), ("accepted_before", accepted_before));
    let applicant = match applicant {
        None => Some(None),
        Some(it) => fields.within("applicant", |fields| read_sought(fields, it)).map(Some),
    };
    Some(Filter {
        receiving_unit: receiving_unit?,
        procedure: procedure?,
        state: state?,
        accepted_from: accepted_from?,
        accepted_before: accepted_before?,
        applicant: applicant?,
    })
}

/// Reads the detail that identifies a person.
pub fn read_sought(fields: &mut Fields, key: pb::ApplicantKey) -> Option<Sought> {
    use pb::applicant_key::Key;
    let (name, kind, text, longest) = match key.key {
        Some(Key::IdentityNumber(it)) => ("identity_number", Kind::IdentityNumber, it, 32),
        Some(Key::Phone(it)) => ("phone", Kind::Phone, it, 32),
        Some(Key::Email(it)) => ("email", Kind::Email, it, 200),
        None => {
            fields.refuse("key", "be an identity number, a phone or an e-mail");
            return None;
        }
    };
    let text = fields.some_text(name, text, longest)?;
    let sought = Sought { kind, text };
    if sought.is_empty() {
        fields.refuse(name, "hold letters or digits");
        return None;
    }
    Some(sought)
}

fn maybe_procedure(fields: &mut Fields, code: &str) -> Option<Option<ProcedureCode>> {
    if code.is_empty() {
        return Some(None);
    }
    fields.read("procedure", ProcedureCode::parse(code)).map(Some)
}

impl TryFrom<pb::SummarizeDossiersRequest> for Summarize {
    type Error = Error;

    fn try_from(msg: pb::SummarizeDossiersRequest) -> Result<Self> {
        let pb::SummarizeDossiersRequest {
            rule,
            period,
            receiving_unit,
            procedure,
            channel,
            by,
            as_of,
            consistency,
        } = msg;
        let mut fields = Fields::default();
        let named = SummaryRule::of(&rule);
        if !rule.is_empty() && named.is_none() {
            fields.refuse("rule", "be `national-766` or `national-766-received`, or empty");
        }
        let period = fields.read("period", Period::parse(&period));
        let receiving_unit = fields.maybe_unit("receiving_unit", receiving_unit);
        let procedure = maybe_procedure(&mut fields, &procedure);
        let channel = fields.maybe_word("channel", channel, SubmissionChannel::of);
        let mut dimensions = Vec::new();
        for (i, number) in by.into_iter().enumerate() {
            let field = format!("by[{i}]");
            let Some(it) = fields.word(&field, number, SummaryDimension::of) else { continue };
            if dimensions.contains(&it) {
                fields.refuse(&field, "be another one than those before");
            }
            dimensions.push(it);
        }
        let as_of = fields.instant("as_of", as_of);
        if as_of.flatten().is_some_and(|it| it > latest()) {
            fields.refuse("as_of", "not lie in the future");
        }
        let consistency = fields.consistency(consistency);
        fields.done(|| {
            Some(Self {
                rule: named,
                period: period?,
                receiving_unit: receiving_unit?,
                procedure: procedure?,
                channel: channel?,
                by: dimensions,
                as_of: as_of?,
                consistency: consistency?,
            })
        })
    }
}
