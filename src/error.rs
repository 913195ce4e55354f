//! The one error, and the only file that builds a [`tonic::Status`].
use std::{error, fmt, time::Duration};

use sea_orm::{DbErr, RuntimeErr};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

use crate::rule::Rule;

/// Why a request is refused; its values are documented in the proto.
pub use crate::pb::ErrorReason as Reason;

/// A result with the crate's own error.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What every method on the wire answers.
pub type Reply<T> = std::result::Result<tonic::Response<T>, Status>;

/// `domain` of every `ErrorInfo`.
pub const DOMAIN: &str = "sharehub";

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
#[derive(Debug)]
pub struct Error(Box<Parts>);

#[derive(Debug)]
struct Parts {
    reason: Reason,
    message: String,
    violations: Vec<Violation>,
    metadata: Vec<(&'static str, String)>,
    source: Option<Box<dyn error::Error + Send + Sync>>,
}

impl Error {
    /// A refusal with a reason and a message: lower case, no full stop, nothing internal.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self(Box::new(Parts {
            reason,
            message: message.into(),
            violations: Vec::new(),
            metadata: Vec::new(),
            source: None,
        }))
    }

    /// One field breaks one rule.
    pub fn field(field: impl Into<String>, rule: impl Into<Rule>) -> Self {
        Self::fields(vec![Violation::new(field, rule)])
    }

    /// Fields that break rules, all at once.
    pub fn fields(violations: Vec<Violation>) -> Self {
        let message = match violations.as_slice() {
            [one] => format!("{} {}", one.field, one.rule),
            all => format!("{} fields break rules; see the details", all.len()),
        };
        Self::new(Reason::FieldInvalid, message).with_violations(violations)
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
        err.0.source = Some(source.into());
        err
    }

    /// The store cannot be reached, or the hub is stopping.
    pub fn unavailable(source: impl Into<Box<dyn error::Error + Send + Sync>>) -> Self {
        let mut err = Self::new(Reason::Unavailable, "the hub cannot do this now; try again");
        err.0.source = Some(source.into());
        err
    }

    /// Adds a fact for machines.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl fmt::Display) -> Self {
        self.0.metadata.push((key, value.to_string()));
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
            // A field of the item itself may begin with the dot that joins it to its path.
            violation.field = match violation.field.trim_start_matches('.') {
                "" => path.to_owned(),
                field => format!("{path}.{field}"),
            };
        }
        self
    }

    fn with_violations(mut self, violations: Vec<Violation>) -> Self {
        self.0.violations = violations;
        self
    }

    /// Refuses a request for the bad items of a list in it, if there are any.
    pub fn all(refused: Vec<(usize, Self)>, list: &str) -> Result<()> {
        if refused.is_empty() { Ok(()) } else { Err(Self::items(refused, list)) }
    }

    /// Refuses a whole batch for its bad items.
    pub fn batch(refused: Vec<(usize, Self)>, list: &str) -> Self {
        let count = refused.len();
        let mut err = Self::items(refused, list);
        let message = std::mem::take(&mut err.0.message);
        err.0.message = match count {
            1 => format!("nothing was kept: {message}"),
            _ => format!("nothing was kept: {count} items are refused; the first: {message}"),
        };
        err
    }

    /// The first item's reason, every item's fields.
    fn items(refused: Vec<(usize, Self)>, list: &str) -> Self {
        let mut violations = Vec::new();
        let mut first = None;
        for (index, err) in refused {
            let path = format!("{list}[{index}]");
            let err = err.under(&path);
            let (reason, message) = (err.0.reason, err.0.message);
            if err.0.violations.is_empty() {
                violations.push(Violation { field: path.clone(), rule: message.clone() });
            } else {
                violations.extend(err.0.violations);
            }
            first.get_or_insert((reason, format!("{path}: {message}"), err.0.metadata));
        }
        let (reason, message, metadata) =
            first.unwrap_or((Reason::Internal, "nothing was refused".to_owned(), Vec::new()));
        let mut err = Self::new(reason, message).with_violations(violations);
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

/// The whole mapping. No wildcard: a new reason does not compile until it has a code.
fn code(reason: Reason) -> Code {
    match reason {
        Reason::FieldInvalid | Reason::MessageMalformed | Reason::NotGrpc => Code::InvalidArgument,
        Reason::MessageTooLarge | Reason::Overloaded | Reason::TooManyStreams => {
            Code::ResourceExhausted
        }
        Reason::MethodUnknown => Code::Unimplemented,
        Reason::CallerUnknown => Code::Unauthenticated,
        Reason::NotPermitted | Reason::NotAuthoritative => Code::PermissionDenied,
        Reason::NotFound => Code::NotFound,
        Reason::RequestIdReused | Reason::AlreadyExists => Code::AlreadyExists,
        Reason::RevisionUnknown | Reason::RevisionCompacted => Code::OutOfRange,
        Reason::NotAggregable | Reason::AnswerTooLarge | Reason::LoadTaken => {
            Code::FailedPrecondition
        }
        Reason::OutOfTime => Code::DeadlineExceeded,
        Reason::Unavailable => Code::Unavailable,
        Reason::Aborted => Code::Aborted,
        Reason::Internal | Reason::Unspecified => Code::Internal,
    }
}

/// How long to wait before trying again, where that helps.
fn retry_after(reason: Reason) -> Option<Duration> {
    match reason {
        Reason::Overloaded | Reason::Aborted => Some(Duration::from_millis(200)),
        Reason::Unavailable => Some(Duration::from_secs(1)),
        Reason::TooManyStreams => Some(Duration::from_secs(5)),
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
        | Reason::AnswerTooLarge
        | Reason::LoadTaken
        | Reason::OutOfTime
        | Reason::Internal => None,
    }
}

impl From<Error> for Status {
    fn from(err: Error) -> Self {
        let Parts { reason, message, violations, metadata, source } = *err.0;
        if let Some(source) = &source {
            // Logged once, here, inside the request's span.
            tracing::error!(error = %Chain(source.as_ref()), "request failed");
        }
        let metadata: std::collections::HashMap<String, String> =
            metadata.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        let mut details = ErrorDetails::with_error_info(reason.as_str_name(), DOMAIN, metadata);
        if !violations.is_empty() {
            let named = violations
                .into_iter()
                .take(MOST_VIOLATIONS)
                .map(|it| FieldViolation::new(it.field, it.rule))
                .collect::<Vec<_>>();
            details.set_bad_request(named);
        }
        if let Some(wait) = retry_after(reason) {
            details.set_retry_info(Some(wait));
        }
        Self::with_error_details(code(reason), message, details)
    }
}

impl From<DbErr> for Error {
    fn from(err: DbErr) -> Self {
        let busy = |text: &str| {
            ["database is locked", "database table is locked", "could not serialize", "deadlock"]
                .iter()
                .any(|it| text.contains(it))
        };
        #[expect(clippy::wildcard_enum_match_arm, reason = "a foreign enum that grows")]
        match &err {
            DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => Self::unavailable(err),
            DbErr::Exec(RuntimeErr::SqlxError(_)) | DbErr::Query(RuntimeErr::SqlxError(_))
                if busy(&err.to_string()) =>
            {
                let mut aborted =
                    Self::new(Reason::Aborted, "another write was in the way; try again");
                aborted.0.source = Some(err.into());
                aborted
            }
            _ => Self::internal(err),
        }
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
