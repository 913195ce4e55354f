//! The tables of dossiers, and the encoding of their lists.
use sea_orm::{ActiveModelTrait, IntoActiveModel};
use serde::{Deserialize, Serialize};

use super::{
    Case, Document, Dossier, Event, EventEntry, Fee, Header, Longest, Procedure, State, TimeUnit,
    history::Standing,
};
use crate::{
    decimal::Decimal,
    error::{Error, Result},
    personal::Personal,
    time::Timestamp,
};

/// Versions of procedures.
pub mod procedure {
    use sea_orm::entity::prelude::*;

    use super::super::{OnlineLevel, ProcedureCode};
    use crate::unit::Level;

    /// A version of a procedure.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "procedure_definition")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: i64,
        pub code: ProcedureCode,
        pub name: String,
        pub field_code: String,
        pub field_name: String,
        pub owner_level: Option<Level>,
        pub online_level: Option<OnlineLevel>,
        pub has_fee: bool,
        pub cases_json: String,
        pub aliases_json: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub made_at: i64,
        pub superseded_at: Option<i64>,
        /// Why it withdraws the version before; none of what is not a tombstone.
        pub withdrawal_reason: Option<String>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

/// Versions of dossiers.
pub mod dossier {
    use sea_orm::entity::prelude::*;

    use super::super::{ApplicantKind, Code, State, SubmissionChannel};
    use crate::time::{Day, Timestamp};

    /// A version of a dossier.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "dossier")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: i64,
        pub code: Code,
        pub source_id: i64,
        pub procedure_id: i64,
        pub source_procedure: String,
        pub procedure_case: String,
        pub receiving_unit_id: i64,
        pub competent_unit_id: Option<i64>,
        pub applicant_unit_id: Option<i64>,
        pub channel: Option<SubmissionChannel>,
        pub applicant_kind: Option<ApplicantKind>,
        pub applicant: Option<String>,
        pub identity_digest: Option<String>,
        pub phone_digest: Option<String>,
        pub email_digest: Option<String>,
        pub erased: bool,
        pub fees_json: String,
        pub components_json: String,
        pub results_json: String,
        pub state: State,
        pub submitted_at: Option<Timestamp>,
        pub accepted_at: Option<Timestamp>,
        pub due_at: Option<Timestamp>,
        pub finished_at: Option<Timestamp>,
        pub returned_at: Option<Timestamp>,
        /// The day that agreements are judged by.
        pub received_on: Day,
        #[sea_orm(primary_key, auto_increment = false)]
        pub made_at: i64,
        pub superseded_at: Option<i64>,
        /// Why it withdraws the version before; none of what is not a tombstone.
        pub withdrawal_reason: Option<String>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

/// Events: only ever added.
pub mod event {
    use sea_orm::entity::prelude::*;

    use super::super::State;
    use crate::time::Timestamp;

    /// An event.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "dossier_event")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub dossier_id: i64,
        #[sea_orm(primary_key, auto_increment = false)]
        pub identity: String,
        pub event_id: String,
        pub occurred_at: Timestamp,
        pub state: State,
        pub source_status: String,
        pub due_at: Option<Timestamp>,
        pub note: String,
        pub made_at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

/// Erasures, with their reasons.
pub mod erasure {
    use sea_orm::entity::prelude::*;

    /// An erasure of one dossier's personal data.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "erasure")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub dossier_id: i64,
        #[sea_orm(primary_key, auto_increment = false)]
        pub revision: i64,
        pub superseded_only: bool,
        pub legal_basis: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

// === rows in and out ===

/// A case inside its procedure's row: code, name, longest time, number of its unit.
#[derive(Serialize, Deserialize)]
struct KeptCase(String, String, i32, i32);

/// A fee inside its dossier's row: name, amount, paid online.
#[derive(Serialize, Deserialize)]
struct KeptFee(String, String, bool);

/// How a document is kept inside its dossier's row, its texts sealed.
#[derive(Serialize, Deserialize)]
struct KeptDocument {
    name: String,
    code: String,
    digitized: bool,
    reused: bool,
}

/// How the lists of fees begin whose texts begin so: a sealed text with its mark, an erased one with nothing.
pub fn fees_with(text: &str) -> String {
    format!("[[\"{text}")
}

/// The same of the lists of documents.
pub fn documents_with(text: &str) -> String {
    format!("[{{\"name\":\"{text}")
}

/// The columns of an event that is read as a list beside its dossier.
pub const KEPT_EVENT: &str =
    "e.identity, e.event_id, e.occurred_at, e.state, e.source_status, e.due_at, e.note, e.made_at";

/// An event from such a list.
#[derive(Deserialize)]
struct KeptEvent(String, String, i64, i32, String, Option<i64>, String, i64);

/// Reads events that stand beside their dossier.
pub fn read_events(text: &str) -> Result<Vec<Event>> {
    let kept: Vec<KeptEvent> = serde_json::from_str(text).map_err(Error::internal)?;
    let read = |it: KeptEvent| {
        let KeptEvent(identity, event_id, at, state, source_status, due_at, note, made_at) = it;
        let state = State::of(state).ok_or_else(|| Error::internal("an event has no state"))?;
        let occurred_at = Timestamp::from_micros(at);
        let (due_at, note) = (due_at.map(Timestamp::from_micros), Personal::kept(note));
        let sent = EventEntry { event_id, occurred_at, source_status, due_at, note };
        Ok(Event { identity, sent, state, made_at })
    };
    kept.into_iter().map(read).collect()
}

fn json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(Error::internal)
}

/// The row of a procedure; of the tombstone that withdraws it, if a reason is given.
pub fn of_procedure(
    it: &Procedure,
    withdrawal_reason: Option<&str>,
) -> Result<procedure::ActiveModel> {
    let Procedure {
        id,
        code,
        name,
        field_code,
        field_name,
        owner_level,
        online_level,
        has_fee,
        cases,
        aliases,
        made_at,
    } = it;
    let case = |Case { code, name, longest }: &Case| {
        let (count, unit) = longest.map_or((0, 0), |it| (it.count, it.unit.number()));
        KeptCase(code.clone(), name.clone(), count, unit)
    };
    let row = procedure::Model {
        id: *id,
        code: code.clone(),
        name: name.clone(),
        field_code: field_code.clone(),
        field_name: field_name.clone(),
        owner_level: *owner_level,
        online_level: *online_level,
        has_fee: *has_fee,
        cases_json: json(&cases.iter().map(case).collect::<Vec<_>>())?,
        aliases_json: json(aliases)?,
        made_at: *made_at,
        superseded_at: withdrawal_reason.map(|_| *made_at),
        withdrawal_reason: withdrawal_reason.map(str::to_owned),
    };
    Ok(row.into_active_model().reset_all())
}

impl TryFrom<procedure::Model> for Procedure {
    type Error = Error;

    fn try_from(row: procedure::Model) -> Result<Self> {
        let procedure::Model {
            id,
            code,
            name,
            field_code,
            field_name,
            owner_level,
            online_level,
            has_fee,
            cases_json,
            aliases_json,
            made_at,
            superseded_at: _,
            withdrawal_reason: _,
        } = row;
        let cases: Vec<KeptCase> = serde_json::from_str(&cases_json).map_err(Error::internal)?;
        let case = |KeptCase(code, name, count, unit)| {
            let longest = TimeUnit::of(unit).map(|unit| Longest { count, unit });
            Case { code, name, longest }
        };
        Ok(Self {
            id,
            code,
            name,
            field_code,
            field_name,
            owner_level,
            online_level,
            has_fee,
            cases: cases.into_iter().map(case).collect(),
            aliases: serde_json::from_str(&aliases_json).map_err(Error::internal)?,
            made_at,
        })
    }
}

/// The row of a dossier. A dossier without events has no state and no row.
pub fn of_dossier(it: Dossier) -> Result<dossier::Model> {
    let Dossier { id, code, source_id, header, standing, made_at } = it;
    let Header {
        procedure_id,
        source_procedure,
        procedure_case,
        receiving_unit_id,
        competent_unit_id,
        applicant_unit_id,
        channel,
        applicant_kind,
        applicant,
        digests: [identity_digest, phone_digest, email_digest],
        erased,
        fees,
        components,
        results,
    } = header;
    let Standing {
        state,
        submitted_at,
        accepted_at,
        due_at,
        finished_at,
        returned_at,
        received_on,
    } = standing;
    let without = || Error::internal("a dossier without events is kept");
    let fee = |Fee { name, amount, paid_online }: Fee| {
        Ok(KeptFee(name.to_kept()?, amount.to_string(), paid_online))
    };
    let documents = |list: Vec<Document>| -> Result<String> {
        let keep = |Document { name, code, digitized, reused }: Document| {
            let (name, code) = (name.to_kept()?, code.to_kept()?);
            Ok(KeptDocument { name, code, digitized, reused })
        };
        json(&list.into_iter().map(keep).collect::<Result<Vec<_>>>()?)
    };
    Ok(dossier::Model {
        id,
        code,
        source_id,
        procedure_id,
        source_procedure,
        procedure_case,
        receiving_unit_id,
        competent_unit_id,
        applicant_unit_id,
        channel,
        applicant_kind,
        applicant: applicant.as_ref().map(Personal::to_kept).transpose()?,
        identity_digest,
        phone_digest,
        email_digest,
        erased,
        fees_json: json(&fees.into_iter().map(fee).collect::<Result<Vec<_>>>()?)?,
        components_json: documents(components)?,
        results_json: documents(results)?,
        state: state.ok_or_else(without)?,
        submitted_at,
        accepted_at,
        due_at,
        finished_at,
        returned_at,
        received_on: received_on.ok_or_else(without)?,
        made_at,
        superseded_at: None,
        withdrawal_reason: None,
    })
}

/// The tombstone that withdraws a dossier. It holds no personal data.
pub fn tombstone(it: Dossier, reason: &str) -> Result<dossier::Model> {
    let mut header = Header { applicant: None, digests: [None, None, None], ..it.header };
    header.drop_texts();
    let row = of_dossier(Dossier { header, ..it })?;
    let superseded_at = Some(row.made_at);
    Ok(dossier::Model { superseded_at, withdrawal_reason: Some(reason.to_owned()), ..row })
}

impl TryFrom<dossier::Model> for Dossier {
    type Error = Error;

    fn try_from(row: dossier::Model) -> Result<Self> {
        let dossier::Model {
            id,
            code,
            source_id,
            procedure_id,
            source_procedure,
            procedure_case,
            receiving_unit_id,
            competent_unit_id,
            applicant_unit_id,
            channel,
            applicant_kind,
            applicant,
            identity_digest,
            phone_digest,
            email_digest,
            erased,
            fees_json,
            components_json,
            results_json,
            state,
            submitted_at,
            accepted_at,
            due_at,
            finished_at,
            returned_at,
            received_on,
            made_at,
            superseded_at: _,
            withdrawal_reason: _,
        } = row;
        let documents = |text: &str| -> Result<Vec<Document>> {
            let kept: Vec<KeptDocument> = serde_json::from_str(text).map_err(Error::internal)?;
            let read = |KeptDocument { name, code, digitized, reused }| {
                let (name, code) = (Personal::kept(name), Personal::kept(code));
                Document { name, code, digitized, reused }
            };
            Ok(kept.into_iter().map(read).collect())
        };
        let fees: Vec<KeptFee> = serde_json::from_str(&fees_json).map_err(Error::internal)?;
        let fee = |KeptFee(name, amount, paid_online)| {
            let amount: Decimal =
                amount.parse().map_err(|_| Error::internal("a fee is kept that is no number"))?;
            Ok(Fee { name: Personal::kept(name), amount, paid_online })
        };
        let mut header = Header {
            procedure_id,
            source_procedure,
            procedure_case,
            receiving_unit_id,
            competent_unit_id,
            applicant_unit_id,
            channel,
            applicant_kind,
            applicant: applicant.map(Personal::kept),
            digests: [identity_digest, phone_digest, email_digest],
            erased,
            fees: fees.into_iter().map(fee).collect::<Result<_>>()?,
            components: documents(&components_json)?,
            results: documents(&results_json)?,
        };
        if erased {
            // Erased by a release that kept these: what is erased stays away.
            header.drop_texts();
        }
        let standing = Standing {
            state: Some(state),
            submitted_at,
            accepted_at,
            due_at,
            finished_at,
            returned_at,
            received_on: Some(received_on),
        };
        Ok(Self { id, code, source_id, header, standing, made_at })
    }
}

/// The row of an event.
pub fn of_event(dossier_id: i64, it: Event) -> Result<event::Model> {
    let Event { identity, sent, state, made_at } = it;
    let EventEntry { event_id, occurred_at, source_status, due_at, note } = sent;
    Ok(event::Model {
        dossier_id,
        identity,
        event_id,
        occurred_at,
        state,
        source_status,
        due_at,
        note: note.to_kept()?,
        made_at,
    })
}

impl From<event::Model> for Event {
    fn from(row: event::Model) -> Self {
        let event::Model {
            dossier_id: _,
            identity,
            event_id,
            occurred_at,
            state,
            source_status,
            due_at,
            note,
            made_at,
        } = row;
        let note = Personal::kept(note);
        let sent = EventEntry { event_id, occurred_at, source_status, due_at, note };
        Self { identity, sent, state, made_at }
    }
}

crate::revision::versioned::versioned!(procedure, dossier);
