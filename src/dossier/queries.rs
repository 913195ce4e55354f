//! Parsed requests about dossiers and procedures.
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

/// Procedures to be published: each as it was read, or its refusal.
#[derive(Clone, Debug)]
pub struct Define(pub Vec<error::Result<ProcedureEntry>>);

/// A procedure to be published.
#[derive(Clone, Debug)]
pub struct ProcedureEntry {
    /// The procedure.
    pub procedure: Procedure,
    /// The version that it replaces.
    pub expected: Expected,
}

/// A parsed request for one procedure.
#[derive(Debug)]
pub struct GetProcedure {
    /// Its national code, or a source's alias.
    pub code: String,
    /// The source whose alias it is; empty for a national code.
    pub source: String,
    /// What the read must have seen.
    pub consistency: Consistency,
}

/// A parsed request for procedures.
#[derive(Debug)]
pub struct ListProcedures {
    /// Of this field; all when empty.
    pub field_code: String,
    /// The page.
    pub page: Page,
    /// What the read must have seen.
    pub consistency: Consistency,
}

/// A dossier to be published.
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
    /// Its events.
    pub events: Vec<EventEntry>,
}

/// Dossiers to be published: each as it was read, or its refusal.
#[derive(Clone, Debug)]
pub struct Publish(pub Vec<error::Result<Entry>>);

/// Events to be published, with the codes of their dossiers: each as it was read, or its refusal.
#[derive(Clone, Debug)]
pub struct PublishEvents(pub Vec<error::Result<(Code, EventEntry)>>);

/// A parsed request for one dossier.
#[derive(Debug)]
pub struct Get {
    /// Its code.
    pub code: String,
    /// As of this instant; as it stands when none.
    pub as_of: Option<Timestamp>,
    /// What the read must have seen.
    pub consistency: Consistency,
}

/// A parsed request for the state of one dossier.
#[derive(Debug)]
pub struct LookUp {
    /// Its code.
    pub code: String,
    /// What the read must have seen.
    pub consistency: Consistency,
}

/// A filter of dossiers.
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

/// A parsed request for a page of dossiers.
#[derive(Debug)]
pub struct List {
    /// Which.
    pub filter: Filter,
    /// The page.
    pub page: Page,
    /// What the read must have seen.
    pub consistency: Consistency,
}

/// The personal data to erase.
#[derive(Clone, Debug)]
pub enum Whose {
    /// That of these dossiers' applicants.
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

/// A parsed request for an export.
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
    /// Of this channel.
    pub channel: Option<SubmissionChannel>,
    /// The grouping.
    pub by: Vec<SummaryDimension>,
    /// Count the events up to this instant; now when none.
    pub as_of: Option<Timestamp>,
    /// What the read must have seen.
    pub consistency: Consistency,
}
