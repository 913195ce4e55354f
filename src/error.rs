//! The one error type, and the only file that builds a [`tonic::Status`].
mod database;
mod vietnamese;

use std::{error, fmt, sync::Arc, time::Duration};

use sea_orm::DbErr;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

use crate::rule::Rule;

pub use self::database::is_lost;
/// Why a request is refused; its values are documented in the proto.
pub use crate::pb::ErrorReason as Reason;

/// A result with the crate's own error.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What every method on the wire answers.
pub type Reply<T> = std::result::Result<tonic::Response<T>, Status>;

/// `domain` of every `ErrorInfo`: it says whose vocabulary the reasons belong to.
///
/// A constant, because every hub has the reasons of its proto, wherever it runs: a client that talks to several hubs
/// compares one text.
pub const DOMAIN: &str = "sharehub.gov.vn";

/// What the database says while the store is known not to answer.
pub const AWAY: &str = "the store does not answer";

const UNAVAILABLE: &str = "the hub cannot do this now; try again";

/// Bad fields named in one refusal, at most.
const MOST_VIOLATIONS: usize = 50;

/// A field that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Path of the field.
    pub field: String,
    /// What it must be, as a sentence: "must not be 0".
    pub rule: String,
}

/// A refusal: the reason is for machines, the message for the caller, the source for the log only.
#[derive(Clone, Debug)]
pub struct Error(Box<Parts>);

#[derive(Clone, Debug)]
struct Parts {
    reason: Reason,
    message: String,
    violations: Vec<Violation>,
    metadata: Vec<(&'static str, String)>,
    wait: Option<Duration>,
    /// Which item of a batch it is about, as it was sent. It is kept with rejected items, and never told on the wire.
    about: Option<String>,
    source: Option<Arc<dyn error::Error + Send + Sync>>,
}

impl Error {
    /// A refusal with a reason and a message: lower case, no full stop, nothing internal.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self(Box::new(Parts {
            reason,
            message: message.into(),
            violations: Vec::new(),
            metadata: Vec::new(),
            wait: None,
            about: None,
            source: None,
        }))
    }

    /// One field breaks one rule.
    pub fn field(field: impl Into<String>, rule: impl Into<Rule>) -> Self {
        Self::fields(vec![Violation::new(field, rule)])
    }

    /// Fields that break rules, all at once.
    pub fn fields(violations: Vec<Violation>) -> Self {
        Self::new(Reason::FieldInvalid, first_of(&violations)).with_violations(violations)
    }

    /// There is no such thing, or none that the caller may know of.
    pub fn not_found(what: &str, id: impl fmt::Display) -> Self {
        Self::new(Reason::NotFound, format!("no {what} `{id}` is shared with you"))
    }

    /// The caller may know of it, but has no grant to do this.
    pub fn not_permitted(grant: &str) -> Self {
        Self::new(Reason::NotPermitted, format!("this needs the grant `{grant}`"))
            .with("grant", grant)
    }

    /// A fault of ours. The source is logged; the caller learns nothing of it.
    pub fn internal(source: impl Into<Box<dyn error::Error + Send + Sync>>) -> Self {
        let mut err = Self::new(Reason::Internal, "internal error; the log has it");
        err.0.source = Some(source.into().into());
        err
    }

    /// The store cannot be reached, or the hub is stopping.
    pub fn unavailable(source: impl Into<Box<dyn error::Error + Send + Sync>>) -> Self {
        let mut err = Self::new(Reason::Unavailable, UNAVAILABLE);
        err.0.source = Some(source.into().into());
        err
    }

    /// The audit log cannot be written, so what must be on record cannot be done.
    pub fn audit_unavailable(source: impl Into<Box<dyn error::Error + Send + Sync>>) -> Self {
        let what =
            "the audit log cannot be written, and this must not be done without it; try again";
        let mut err = Self::new(Reason::AuditUnavailable, what);
        err.0.source = Some(source.into().into());
        err
    }

    /// Adds a fact for machines.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl fmt::Display) -> Self {
        self.0.metadata.push((key, value.to_string()));
        self
    }

    /// Says after how long it helps to try again.
    #[must_use]
    pub fn retry_in(mut self, wait: Duration) -> Self {
        self.0.wait = Some(wait);
        self
    }

    /// Names the item of a batch that this refusal is about, unless it is named.
    #[must_use]
    pub fn about(mut self, item: impl fmt::Display) -> Self {
        self.0.about.get_or_insert_with(|| item.to_string());
        self
    }

    /// Names the field that this refusal is about.
    #[must_use]
    pub fn at(mut self, field: impl Into<String>) -> Self {
        let rule = format!("is refused: {}", self.0.message);
        self.0.violations.push(Violation { field: field.into(), rule });
        self
    }

    /// Puts a path before every field: `denominator` becomes `observations[3].denominator`.
    #[must_use]
    pub fn under(mut self, path: &str) -> Self {
        for violation in &mut self.0.violations {
            violation.field = join(path, &violation.field);
        }
        if self.0.reason == Reason::FieldInvalid {
            self.0.message = first_of(&self.0.violations);
        }
        self
    }

    fn with_violations(mut self, violations: Vec<Violation>) -> Self {
        self.0.violations = violations;
        self
    }

    /// Refuses a request for the bad items of a list in it, if there are any.
    pub fn all(refused: Vec<(usize, Self)>, list: &str) -> Result<()> {
        if refused.is_empty() {
            Ok(())
        } else {
            Err(Self::items(refused, |i| format!("{list}[{i}]")))
        }
    }

    /// Refuses a whole batch for its bad items.
    pub fn batch(refused: Vec<(usize, Self)>, lists: ItemLists) -> Self {
        let mut err = Self::items(refused, |it| lists.path(it));
        err.0.message = format!("nothing was kept: {}", err.0.message);
        err
    }

    /// The first item's reason, every item's fields.
    fn items(refused: Vec<(usize, Self)>, path: impl Fn(usize) -> String) -> Self {
        let mut violations = Vec::new();
        let mut first = None;
        for (index, err) in refused {
            let path = path(index);
            let err = if err.0.violations.is_empty() { err.at(path) } else { err.under(&path) };
            violations.extend(err.0.violations);
            first.get_or_insert((err.0.reason, err.0.metadata));
        }
        let (reason, metadata) = first.unwrap_or((Reason::Internal, Vec::new()));
        let mut err = Self::new(reason, first_of(&violations)).with_violations(violations);
        err.0.metadata = metadata;
        err
    }

    /// Gives a reason to what the transport says of a stream that cannot be read; what has one is left as it is.
    pub fn explain(status: Status) -> Status {
        if status.get_details_error_info().is_some() {
            return status;
        }
        let err = match status.code() {
            Code::OutOfRange | Code::ResourceExhausted => {
                Self::new(Reason::MessageTooLarge, "the message is larger than the hub takes")
            }
            Code::Ok
            | Code::Cancelled
            | Code::Unknown
            | Code::InvalidArgument
            | Code::DeadlineExceeded
            | Code::NotFound
            | Code::AlreadyExists
            | Code::PermissionDenied
            | Code::FailedPrecondition
            | Code::Aborted
            | Code::Unimplemented
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss
            | Code::Unauthenticated => {
                Self::new(Reason::MessageMalformed, "the stream broke off, or is not framed")
            }
        };
        err.into()
    }

    /// Why.
    pub fn reason(&self) -> Reason {
        self.0.reason
    }

    /// In words, for the caller.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The item of a batch that it is about, where that was said.
    pub fn item(&self) -> Option<&str> {
        self.0.about.as_deref()
    }

    /// The facts for machines.
    pub fn metadata(&self) -> impl Iterator<Item = (String, String)> {
        self.0.metadata.iter().map(|(key, value)| ((*key).to_owned(), value.clone()))
    }

    /// The fields that break rules.
    pub fn violations(&self) -> &[Violation] {
        &self.0.violations
    }

    /// The gRPC code.
    pub fn code(&self) -> Code {
        code(self.0.reason)
    }
}

impl Violation {
    /// A field, and what it must be.
    pub fn new(field: impl Into<String>, rule: impl Into<Rule>) -> Self {
        Self { field: field.into(), rule: format!("must {}", rule.into()) }
    }
}

/// The lists of a request that hold its items, for the paths of bad fields.
#[derive(Clone, Copy, Debug)]
pub enum ItemLists {
    /// All items stand in this one.
    One(&'static str),
    /// So many items stand in the first one, the rest in the second.
    Two(&'static str, usize, &'static str),
}

impl ItemLists {
    /// The first of them.
    pub fn first(self) -> &'static str {
        match self {
            Self::One(list) | Self::Two(list, ..) => list,
        }
    }

    fn path(self, item: usize) -> String {
        match self {
            Self::Two(_, count, list) if item >= count => format!("{list}[{}]", item - count),
            Self::One(list) | Self::Two(list, ..) => format!("{list}[{item}]"),
        }
    }
}

/// The path of a field inside what stands at a path; either may be empty.
pub fn join(path: &str, field: &str) -> String {
    match (path, field) {
        (path, "") => path.to_owned(),
        ("", field) => field.to_owned(),
        (path, field) => format!("{path}.{field}"),
    }
}

/// Names the first field that breaks a rule, and counts the rest.
fn first_of(violations: &[Violation]) -> String {
    // The field is empty where it is the item itself.
    let told = |it: &Violation| format!("{} {}", it.field, it.rule).trim_start().to_owned();
    match violations {
        [] => "a field breaks a rule".to_owned(),
        [one] => told(one),
        [first, rest @ ..] => format!("{} (and {} more)", told(first), rest.len()),
    }
}

/// The whole mapping. No wildcard: a new reason does not compile until it has a code.
fn code(reason: Reason) -> Code {
    match reason {
        Reason::FieldInvalid | Reason::MessageMalformed | Reason::NotGrpc => Code::InvalidArgument,
        Reason::MessageTooLarge
        | Reason::Overloaded
        | Reason::TooManyStreams
        | Reason::TooManyConnections
        | Reason::QuotaExceeded
        | Reason::ReaderTooSlow => Code::ResourceExhausted,
        Reason::MethodUnknown => Code::Unimplemented,
        Reason::CallerUnknown => Code::Unauthenticated,
        Reason::NotPermitted | Reason::NotAuthoritative | Reason::CertificateRequired => {
            Code::PermissionDenied
        }
        Reason::NotFound => Code::NotFound,
        Reason::RequestIdReused | Reason::AlreadyExists => Code::AlreadyExists,
        Reason::RevisionUnknown | Reason::RevisionCompacted => Code::OutOfRange,
        Reason::NotAggregable
        | Reason::MeaningFixed
        | Reason::PeriodNotCombinable
        | Reason::ChangeHeld
        | Reason::ChangeDecided
        | Reason::AnswerTooLarge
        | Reason::LoadTaken
        | Reason::PersonalDataLocked
        | Reason::PersonalDataErased
        | Reason::ProcedureInUse
        | Reason::PurposeRequired
        | Reason::AgreementOverlaps => Code::FailedPrecondition,
        Reason::OutOfTime => Code::DeadlineExceeded,
        Reason::Unavailable | Reason::AuditUnavailable => Code::Unavailable,
        Reason::Aborted | Reason::RevisionConflict => Code::Aborted,
        Reason::Internal | Reason::Unspecified => Code::Internal,
    }
}

/// How long to wait before trying again, where that helps.
fn retry_after(reason: Reason) -> Option<Duration> {
    match reason {
        Reason::Overloaded | Reason::Aborted => Some(Duration::from_millis(200)),
        // When the window of a limit ends, the refusal itself says.
        Reason::Unavailable | Reason::AuditUnavailable | Reason::QuotaExceeded => {
            Some(Duration::from_secs(1))
        }
        Reason::TooManyStreams | Reason::TooManyConnections => Some(Duration::from_secs(5)),
        Reason::Unspecified
        | Reason::FieldInvalid
        | Reason::MessageMalformed
        | Reason::MessageTooLarge
        | Reason::MethodUnknown
        | Reason::NotGrpc
        | Reason::CallerUnknown
        | Reason::NotPermitted
        | Reason::NotAuthoritative
        | Reason::NotFound
        | Reason::RequestIdReused
        | Reason::AlreadyExists
        | Reason::RevisionUnknown
        | Reason::RevisionCompacted
        | Reason::NotAggregable
        | Reason::MeaningFixed
        | Reason::PeriodNotCombinable
        | Reason::ChangeHeld
        | Reason::ChangeDecided
        | Reason::AnswerTooLarge
        | Reason::LoadTaken
        | Reason::PersonalDataLocked
        | Reason::PersonalDataErased
        | Reason::ProcedureInUse
        | Reason::OutOfTime
        | Reason::ReaderTooSlow
        | Reason::PurposeRequired
        | Reason::CertificateRequired
        | Reason::AgreementOverlaps
        // Sent again as it is, it is refused again.
        | Reason::RevisionConflict
        | Reason::Internal => None,
    }
}

impl From<Error> for Status {
    fn from(err: Error) -> Self {
        let Parts { reason, message, violations, metadata, wait, about: _, source } = *err.0;
        if let Some(source) = &source {
            // Logged once, here, inside the request's span.
            tracing::error!(error = %Chain(source.as_ref()), "request failed");
        }
        let metadata: std::collections::HashMap<String, String> =
            metadata.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        let mut details = ErrorDetails::with_error_info(reason.as_str_name(), DOMAIN, metadata);
        details.set_localized_message("vi", vietnamese::sentence(reason, &violations));
        if !violations.is_empty() {
            let named = violations
                .into_iter()
                .take(MOST_VIOLATIONS)
                .map(|it| FieldViolation::new(it.field, it.rule))
                .collect::<Vec<_>>();
            details.set_bad_request(named);
        }
        if let Some(wait) = wait.or(retry_after(reason)) {
            details.set_retry_info(Some(wait));
        }
        Self::with_error_details(code(reason), message, details)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        match &self.0.source {
            Some(source) => write!(f, " ({})", Chain(source.as_ref())),
            None => Ok(()),
        }
    }
}

impl error::Error for Error {}

/// An error and what caused it. `DbErr` prints its own source, so it is printed alone.
struct Chain<'a>(&'a (dyn error::Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut next = if self.0.is::<DbErr>() { None } else { self.0.source() };
        while let Some(err) = next {
            write!(f, ": {err}")?;
            next = err.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Error, ItemLists, Reason, Violation, join};

    #[test]
    fn many_bad_fields_name_the_first_and_count_the_rest() {
        let zero = |field: &str| Violation::new(field, "not be 0");
        let err = Error::field("denominator", "not be 0").under("observations[3]");
        assert_eq!(err.message(), "observations[3].denominator must not be 0");
        let item = Error::fields(vec![zero("denominator"), zero("scale")]);
        assert_eq!(item.message(), "denominator must not be 0 (and 1 more)");
        let other = Error::not_found("unit", 7);
        let all = Error::batch(vec![(3, item), (5, other)], ItemLists::One("observations"));
        let expect = "nothing was kept: observations[3].denominator must not be 0 (and 2 more)";
        assert_eq!((all.message(), all.reason()), (expect, Reason::FieldInvalid));
        let fields: Vec<_> = all.violations().iter().map(|it| it.field.as_str()).collect();
        let paths = ["observations[3].denominator", "observations[3].scale", "observations[5]"];
        assert_eq!(fields, paths);
        let rule = "is refused: no unit `7` is shared with you";
        assert_eq!(all.violations().last().map(|it| it.rule.as_str()), Some(rule));
    }

    #[test]
    fn items_of_a_second_list_are_counted_from_its_own_beginning() {
        let refused = || Error::field("name", "not be empty");
        let lists = ItemLists::Two("units", 2, "successions");
        let err = Error::batch(vec![(1, refused()), (2, refused()), (5, refused())], lists);
        let fields: Vec<_> = err.violations().iter().map(|it| it.field.as_str()).collect();
        assert_eq!(fields, ["units[1].name", "successions[0].name", "successions[3].name"]);
    }

    #[test]
    fn paths_are_joined_by_one_dot() {
        let joined = [("a", "b"), ("a", ""), ("", "b"), ("", ""), ("a[0]", "b.c")];
        let joined = joined.map(|(path, field)| join(path, field));
        assert_eq!(joined, ["a.b", "a", "b", "", "a[0].b.c"]);
    }
}
