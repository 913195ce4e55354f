//! Dossiers: their values, states and code lists.
pub mod catalogue;
pub mod history;
pub mod national_766;
pub mod queries;
pub mod row;
pub mod rpc;
pub mod store;
pub mod suppression;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::{
    db_enum::db_enum,
    decimal::Decimal,
    personal::{Applicant, Personal, Tier},
    rule::Rule,
    time::Timestamp,
    unit,
};

db_enum! {
    /// One of the ten national states of a dossier; the numbers are the national codes.
    pub enum State {
        /// Submitted online, not yet accepted.
        Submitted = 1,
        /// Accepted; the clock starts.
        Accepted = 2,
        /// Refused at the desk.
        NotAccepted = 3,
        /// With the professional unit.
        InProcess = 4,
        /// Waiting for the applicant; the clock pauses.
        SupplementRequested = 5,
        /// Waiting for taxes or fees.
        PaymentRequested = 6,
        /// Withdrawn by the applicant.
        Withdrawn = 7,
        /// Stopped, conditions not met.
        Stopped = 8,
        /// Finished, the result is at the desk.
        Finished = 9,
        /// The result was handed over.
        Returned = 10,
    }
}

db_enum! {
    /// How a dossier came in.
    pub enum SubmissionChannel {
        /// At the desk.
        InPerson = 1,
        /// Online.
        Online = 2,
        /// By post.
        Postal = 3,
    }
}

db_enum! {
    /// How far a procedure is served online.
    pub enum OnlineLevel {
        /// From submission to result.
        Full = 1,
        /// In part.
        Partial = 2,
        /// Information only.
        Information = 3,
    }
}

db_enum! {
    /// The unit of a processing time.
    pub enum TimeUnit {
        /// Hours.
        Hour = 1,
        /// Days.
        Day = 2,
        /// Working days.
        WorkingDay = 3,
        /// Months.
        Month = 4,
    }
}

db_enum! {
    /// Who applies.
    pub enum ApplicantKind {
        /// A citizen.
        Citizen = 1,
        /// A business.
        Business = 2,
        /// A household business.
        HouseholdBusiness = 3,
        /// An organization.
        Organization = 4,
        /// A state agency.
        StateAgency = 5,
    }
}

db_enum! {
    /// The grouping of counts of dossiers, in the order in which groups are sorted.
    pub enum SummaryDimension {
        /// By receiving unit.
        Unit = 1,
        /// By procedure.
        Procedure = 2,
        /// By channel.
        Channel = 3,
        /// By month of acceptance.
        Month = 4,
    }
}

/// National code of a procedure: a digit, a dot and six digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, sea_orm::DeriveValueType)]
pub struct ProcedureCode(String);

impl ProcedureCode {
    /// Reads a code.
    pub fn parse(text: &str) -> Result<Self, Rule> {
        let digits = |it: &str, count| it.len() == count && it.bytes().all(|b| b.is_ascii_digit());
        match text.split_once('.') {
            Some((kind, number)) if digits(kind, 1) && digits(number, 6) => {
                Ok(Self(text.to_owned()))
            }
            _ => Err("be a national code such as `1.004194`".into()),
        }
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Code of a dossier, as text. Two shapes are in use and more will come, so no code parses it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, sea_orm::DeriveValueType)]
pub struct Code(String);

impl Code {
    /// Reads a code.
    pub fn parse(text: &str) -> Result<Self, Rule> {
        let ok = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'/');
        if !text.is_empty() && text.len() <= 64 && text.bytes().all(ok) {
            return Ok(Self(text.to_owned()));
        }
        Err("be 1 to 64 letters, digits, dots, hyphens, underscores or slashes".into())
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The longest processing time of a procedure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Longest {
    /// The number of units of time.
    pub count: i32,
    /// The unit of time.
    pub unit: TimeUnit,
}

/// A case of a procedure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// Its code; may be empty for the only case.
    pub code: String,
    /// Its name.
    pub name: String,
    /// The longest time, when one is set.
    pub longest: Option<Longest>,
}

/// A source's own code for a procedure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alias {
    /// Code of the source system.
    pub source: String,
    /// Its code for the procedure.
    pub alias: String,
}

/// A procedure. A new one has no id and no revision yet: both are 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Procedure {
    /// The hub's id.
    pub id: i64,
    /// Its national code.
    pub code: ProcedureCode,
    /// Its name.
    pub name: String,
    /// Code of its field.
    pub field_code: String,
    /// Name of its field.
    pub field_name: String,
    /// The level of the units that own it.
    pub owner_level: Option<unit::Level>,
    /// How far it is served online.
    pub online_level: Option<OnlineLevel>,
    /// Whether a fee is due.
    pub has_fee: bool,
    /// Its cases.
    pub cases: Vec<Case>,
    /// The codes that sources use for it.
    pub aliases: Vec<Alias>,
    /// The revision that made this version.
    pub made_at: i64,
}

impl Procedure {
    /// The longest time of a case. A dossier that names none is of the only case, if there is only one.
    pub fn longest(&self, case: &str) -> Option<Longest> {
        let found = match self.cases.as_slice() {
            [only] if case.is_empty() => Some(only),
            cases => cases.iter().find(|it| it.code == case),
        };
        found.and_then(|it| it.longest)
    }
}

/// A fee.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fee {
    /// Its name, which may speak of a person.
    pub name: Personal,
    /// The amount in VND.
    pub amount: Decimal,
    /// Whether it was paid online.
    pub paid_online: bool,
}

/// A document that was handed in or issued: its description, not the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Its name, which may speak of a person.
    pub name: Personal,
    /// Its code, which may be a person's number.
    pub code: Personal,
    /// Whether it exists in digital form.
    pub digitized: bool,
    /// Whether it was taken from a store of data.
    pub reused: bool,
}

/// An event of a dossier, as it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventEntry {
    /// The source's id of the event; may be empty.
    pub event_id: String,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// The source's own code of the new state.
    pub source_status: String,
    /// The new promised date, when it changed.
    pub due_at: Option<Timestamp>,
    /// A remark.
    pub note: Personal,
}

impl EventEntry {
    /// The identity of the event when it is sent again. The prefix keeps ids and contents apart.
    pub fn identity(&self) -> String {
        match self.event_id.as_str() {
            "" => format!("at:{}:{}", self.occurred_at.micros(), self.source_status),
            id => format!("id:{id}"),
        }
    }
}

/// An event of a dossier, as the hub stores it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its identity.
    pub identity: String,
    /// As it was sent.
    pub sent: EventEntry,
    /// The new state, by the source's mapping when it was sent.
    pub state: State,
    /// The revision that added it.
    pub made_at: i64,
}

/// The content of a dossier without its events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The procedure.
    pub procedure_id: i64,
    /// The source's code for the procedure.
    pub source_procedure: String,
    /// The case of the procedure; may be empty.
    pub procedure_case: String,
    /// The unit that received it.
    pub receiving_unit_id: i64,
    /// The unit that decides it.
    pub competent_unit_id: Option<i64>,
    /// The unit where the applicant lives.
    pub applicant_unit_id: Option<i64>,
    /// How it came in.
    pub channel: Option<SubmissionChannel>,
    /// Who applies.
    pub applicant_kind: Option<ApplicantKind>,
    /// The applicant, sealed.
    pub applicant: Option<Personal>,
    /// The digests of the applicant: by identity number, phone and e-mail.
    pub digests: [Option<String>; 3],
    /// Whether the applicant and the remarks were erased on lawful request.
    pub erased: bool,
    /// Its fees.
    pub fees: Vec<Fee>,
    /// The documents handed in.
    pub components: Vec<Document>,
    /// The documents issued.
    pub results: Vec<Document>,
}

impl Header {
    /// The texts of fees and documents: whatever may stand in one is personal data.
    pub fn texts(&self) -> impl Iterator<Item = &Personal> {
        let documents = self.components.iter().chain(&self.results);
        self.fees.iter().map(|it| &it.name).chain(documents.flat_map(|it| [&it.name, &it.code]))
    }

    /// The same, to be sealed or opened.
    pub fn texts_mut(&mut self) -> impl Iterator<Item = &mut Personal> {
        let documents = self.components.iter_mut().chain(&mut self.results);
        let documents = documents.flat_map(|it| [&mut it.name, &mut it.code]);
        self.fees.iter_mut().map(|it| &mut it.name).chain(documents)
    }

    /// Takes them out; amounts and flags stay. Whether there were any.
    pub fn drop_texts(&mut self) -> bool {
        self.texts_mut().fold(false, |any, it| !std::mem::take(it).is_empty() | any)
    }
}

/// A dossier: one row, with the lists inside it opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dossier {
    /// The hub's id.
    pub id: i64,
    /// Its code.
    pub code: Code,
    /// The system that owns it.
    pub source_id: i64,
    /// What its source says of it.
    pub header: Header,
    /// Its state, computed from its events.
    pub standing: history::Standing,
    /// The revision that made this version.
    pub made_at: i64,
}

/// A dossier as one caller may see it: personal data that the caller may not see is removed, the rest is decrypted, and
/// the tier decides how it leaves the hub.
#[derive(Clone, Debug)]
pub struct DossierView {
    /// The dossier, without its applicant.
    pub dossier: Dossier,
    /// Its applicant.
    pub applicant: Option<Applicant>,
    /// Its events, in the order of time; none in lists.
    pub events: Vec<Event>,
    /// The tier of personal data that the caller may see.
    pub tier: Tier,
    /// Whether something was taken out.
    pub withheld: bool,
}
