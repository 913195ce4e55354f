//! Queries of dossiers and procedures, already parsed.
use super::{
    ApplicantKind, Code, Document, EventEntry, Fee, Procedure, ProcedureCode, State,
    SubmissionChannel, SummaryDimension, national_766::SummaryRule,
};
use crate::{
    error,
    page::Page,
    period::Period,
    personal::{Applicant, Sought},
    revision::{Consistency, expected::Expected},
    time::Timestamp,
    unit,
};

/// Procedures to be kept, as they were read: each one, or why it is refused.
#[derive(Clone, Debug)]
pub struct Define(pub Vec<error::Result<ProcedureEntry>>);

/// A procedure to be kept.
#[derive(Clone, Debug)]
pub struct ProcedureEntry {
    /// The procedure.
    pub procedure: Procedure,
    /// The version that it replaces.
    pub expected: Expected,
}

/// Asks for one procedure.
#[derive(Debug)]
pub struct GetProcedure {
    /// Its national code, or a source's alias.
    pub code: String,
    /// The source whose alias it is; empty for a national code.
    pub source: String,
    /// What the read must have seen.
    pub consistency: Consistency,
}

/// Asks for procedures.
#[derive(Debug)]
pub struct ListProcedures {
    /// Of this field; all when empty.
    pub field_code: String,
    /// The page.
    pub page: Page,
    /// What the read must have seen.
    pub consistency: Consistency,
}

/// A dossier to be kept.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its code.
    pub code: Code,
    /// The procedure: its national code, or the source's alias.
    pub procedure: String,
    /// The case of the procedure; may be empty.
    pub procedure_case: String,
    /// The unit that received it.
    pub receiving_unit: unit::Ref,
    /// The unit that decides it.
    pub competent_unit: Option<unit::Ref>,
    /// The unit where the applicant lives.
    pub applicant_unit: Option<unit::Ref>,
    /// How it came in.
    pub channel: Option<SubmissionChannel>,
    /// Who applies.
    pub applicant_kind: Option<ApplicantKind>,
    /// The applicant.
    pub applicant: Option<Applicant>,
    /// Its fees.
    pub fees: Vec<Fee>,
    /// The documents handed in.
    pub components: Vec<Document>,
    /// The documents issued.
    pub results: Vec<Document>,
    /// What happened to it.
    pub events: Vec<EventEntry>,
}

/// Dossiers to be kept, as they were read: each one, or why it is refused.
#[derive(Clone, Debug)]
pub struct Publish(pub Vec<error::Result<Entry>>);

/// Events to be added, each with the code of its dossier, as they were read: each one, or why it is refused.
#[derive(Clone, Debug)]
pub struct PublishEvents(pub Vec<error::Result<(Code, EventEntry)>>);

/// Asks for one dossier.
#[derive(Debug)]
pub struct Get {
    /// Its code.
    pub code: String,
    /// As of this instant; as it stands when none.
    pub as_of: Option<Timestamp>,
    /// What the read must have seen.
    pub consistency: Consistency,
}

/// Asks how one dossier stands.
#[derive(Debug)]
pub struct LookUp {
    /// Its code.
    pub code: String,
    /// What the read must have seen.
    pub consistency: Consistency,
}

/// Which dossiers are meant.
#[derive(Debug)]
pub struct Filter {
    /// Received by this unit or one below it.
    pub receiving_unit: Option<unit::Ref>,
    /// Of this procedure.
    pub procedure: Option<ProcedureCode>,
    /// In this state.
    pub state: Option<State>,
    /// Accepted at or after this instant.
    pub accepted_from: Option<Timestamp>,
    /// Accepted before this instant.
    pub accepted_before: Option<Timestamp>,
    /// Of this applicant.
    pub applicant: Option<Sought>,
}

/// Asks for dossiers.
#[derive(Debug)]
pub struct List {
    /// Which.
    pub filter: Filter,
    /// The page.
    pub page: Page,
    /// What the read must have seen.
    pub consistency: Consistency,
}

/// Whose personal data is erased.
#[derive(Clone, Debug)]
pub enum Whose {
    /// That of these dossiers.
    Dossiers(Vec<Code>),
    /// That of this applicant.
    Applicant(Sought),
}

/// Erases personal data.
#[derive(Clone, Debug)]
pub struct Erase {
    /// Whose.
    pub whose: Whose,
    /// Only in versions that were superseded.
    pub superseded_only: bool,
    /// Why, for the record.
    pub legal_basis: String,
}

/// Asks for all of them.
#[derive(Debug)]
pub struct Export {
    /// Which.
    pub filter: Filter,
    /// What the read must have seen.
    pub consistency: Consistency,
}

/// Asks for counts of dossiers.
#[derive(Debug)]
pub struct Summarize {
    /// The rule; the one that the agreement counts by when none.
    pub rule: Option<SummaryRule>,
    /// The period.
    pub period: Period,
    /// Received by this unit or one below it.
    pub receiving_unit: Option<unit::Ref>,
    /// Of this procedure.
    pub procedure: Option<ProcedureCode>,
    /// That came in this way.
    pub channel: Option<SubmissionChannel>,
    /// By what to count.
    pub by: Vec<SummaryDimension>,
    /// Count what had happened by this instant; now when none.
    pub as_of: Option<Timestamp>,
    /// What the read must have seen.
    pub consistency: Consistency,
}
