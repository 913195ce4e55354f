//! Opens requests and reads their fields; messages that every service shares.
pub mod codec;
pub mod projection;
pub mod prose;
pub mod stream;

use futures_util::{Stream, StreamExt, stream::BoxStream};
use prost::Message;
use sha2::{Digest, Sha256};
use tonic::{Request, Response, Status};
use unicode_normalization::is_nfc;

use crate::{
    caller::Caller,
    error::{Error, Reason, Reply, Result, Violation, join},
    outcome::{Counts, Outcome},
    page::Page,
    pb,
    personal::identity_number::holds_identity_number,
    revision::{
        Consistency, Revision,
        expected::Expected,
        receipt::{ItemResult, Receipt},
    },
    rule::Rule,
    time::{Day, Timestamp},
};

/// Opens a request: who asks, and what is asked, already parsed.
pub fn open<M, Q>(request: Request<M>) -> Result<(Caller, Q)>
where
    Q: TryFrom<M, Error = Error>,
{
    let (_, extensions, message) = request.into_parts();
    Ok((caller(&extensions)?, message.try_into()?))
}

/// The caller that the stack found.
fn caller(extensions: &tonic::Extensions) -> Result<Caller> {
    let caller = extensions.get::<Caller>().cloned();
    caller.ok_or_else(|| Error::new(Reason::CallerUnknown, "no caller was identified"))
}

/// Answers a read, unless the answer is larger than clients take by default: a refusal that says so is of more use than
/// an answer that no client can read.
pub fn reply<M: Message>(answer: M) -> Reply<M> {
    let size = answer.encoded_len();
    if size <= MOST_ANSWER {
        return Ok(Response::new(answer));
    }
    let what = format!(
        "the answer would have {size} bytes, and {MOST_ANSWER} are allowed: ask for a smaller page, or for less"
    );
    Err(Error::new(Reason::AnswerTooLarge, what).into())
}

/// Answers a write. What is committed is committed: its receipt is never refused, however long.
pub fn done<M>(answer: M) -> Reply<M> {
    Ok(Response::new(answer))
}

/// Answers a stream: what refuses an item ends it.
pub fn stream<T, M>(items: impl Stream<Item = Result<T>> + Send + 'static) -> Reply<Streamed<M>>
where
    M: From<T> + 'static,
{
    let items = items.map(|it| it.map(M::from).map_err(Status::from));
    Ok(Response::new(items.boxed()))
}

/// The items of an answer that is a stream.
pub type Streamed<M> = BoxStream<'static, Result<M, Status>>;

/// Bytes in one answer, at most: what gRPC clients take unless they are told otherwise.
const MOST_ANSWER: usize = 4 * 1024 * 1024;

/// Collects every bad field of a message, so that the caller learns of all at once.
#[derive(Debug, Default)]
pub struct Fields {
    path: String,
    bad: Vec<Violation>,
}

impl Fields {
    /// The fields of a published item, of which those of free text were looked at.
    pub fn of(item: &impl prose::Prose) -> Self {
        let mut fields = Self::default();
        item.check(&mut fields);
        fields
    }

    /// Free text that everybody sees who may read the item: it says nothing of a person.
    pub fn prose(&mut self, field: &str, text: &str) {
        if holds_identity_number(text) {
            self.refuse(field, "not hold a number that looks like an identity number");
        }
    }

    /// Keeps the value of a field, or the rule that it breaks.
    pub fn read<T>(&mut self, field: &str, value: Result<T, impl Into<Rule>>) -> Option<T> {
        value.map_err(|rule| self.refuse(field, rule)).ok()
    }

    /// A field breaks a rule.
    pub fn refuse(&mut self, field: &str, rule: impl Into<Rule>) {
        let field = join(&self.path, field);
        self.bad.push(Violation::new(field, rule));
    }

    /// Reads the fields of a message inside this one.
    pub fn within<T>(&mut self, path: &str, read: impl FnOnce(&mut Self) -> T) -> T {
        let inner = join(&self.path, path);
        let outer = std::mem::replace(&mut self.path, inner);
        let read = read(self);
        self.path = outer;
        read
    }

    /// Text of at most `most` characters, in normalization form C, without control characters.
    pub fn text(&mut self, field: &str, text: String, most: usize) -> Option<String> {
        let checked = check_text(&text, most).map(|()| text);
        self.read(field, checked)
    }

    /// Text as [`Fields::text`], and not empty.
    pub fn some_text(&mut self, field: &str, text: String, most: usize) -> Option<String> {
        if text.trim().is_empty() {
            self.refuse(field, "not be empty");
            return None;
        }
        self.text(field, text, most)
    }

    /// A word of one of our enums, by its number on the wire; 0 is not a word.
    pub fn word<T>(&mut self, field: &str, number: i32, of: fn(i32) -> Option<T>) -> Option<T> {
        self.read(field, of(number).ok_or("be one of the enum's values, not 0 or unknown"))
    }

    /// A word as [`Fields::word`], with a default for a field that was left out.
    pub fn word_or<T>(
        &mut self,
        field: &str,
        number: Option<i32>,
        of: fn(i32) -> Option<T>,
        default: T,
    ) -> Option<T> {
        number.map_or(Some(default), |it| self.word(field, it, of))
    }

    /// A word as [`Fields::word`], where 0 means none.
    pub fn maybe_word<T>(
        &mut self,
        field: &str,
        number: i32,
        of: fn(i32) -> Option<T>,
    ) -> Option<Option<T>> {
        if number == 0 { Some(None) } else { self.word(field, number, of).map(Some) }
    }

    /// What a text that may be empty reads as; none when it is.
    pub fn maybe<T>(
        &mut self,
        field: &str,
        text: &str,
        read: fn(&str) -> Result<T, Rule>,
    ) -> Option<Option<T>> {
        if text.is_empty() { Some(None) } else { self.read(field, read(text)).map(Some) }
    }

    /// A date, or none when empty.
    pub fn day(&mut self, field: &str, text: &str) -> Option<Option<Day>> {
        if text.is_empty() { Some(None) } else { self.read(field, Day::parse(text)).map(Some) }
    }

    /// The first day after the last one, or none when empty.
    pub fn end_day(&mut self, field: &str, text: &str) -> Option<Option<Day>> {
        if text.is_empty() { Some(None) } else { self.read(field, Day::parse_end(text)).map(Some) }
    }

    /// An instant, or none.
    pub fn instant(
        &mut self,
        field: &str,
        at: Option<prost_types::Timestamp>,
    ) -> Option<Option<Timestamp>> {
        let Some(prost_types::Timestamp { seconds, nanos }) = at else { return Some(None) };
        self.read(field, Timestamp::from_parts(seconds, nanos)).map(Some)
    }

    /// The bounds of a half-open interval stand in order, where both were given.
    pub fn in_order<T: PartialOrd>(
        &mut self,
        (from_field, from): (&str, Option<Option<T>>),
        (before_field, before): (&str, Option<Option<T>>),
    ) {
        if let (Some(Some(from)), Some(Some(before))) = (from, before)
            && before <= from
        {
            self.refuse(before_field, format!("lie after `{from_field}`"));
        }
    }

    /// What a read must have seen.
    pub fn consistency(&mut self, asked: Option<pb::Consistency>) -> Option<Consistency> {
        use pb::consistency::Requirement;
        let Some(pb::Consistency { requirement: Some(asked) }) = asked else {
            return Some(Consistency::Latest);
        };
        self.within("consistency", |fields| match asked {
            Requirement::Latest(true) => Some(Consistency::Latest),
            Requirement::Latest(false) => {
                fields.refuse("latest", "be true, or leave the requirement out");
                None
            }
            Requirement::AtLeast(number) if number < 0 => {
                fields.refuse("at_least", "not be negative");
                None
            }
            Requirement::Exactly(number) if number < 0 => {
                fields.refuse("exactly", "not be negative");
                None
            }
            Requirement::AtLeast(number) => Some(Consistency::AtLeast(number)),
            Requirement::Exactly(number) => Some(Consistency::Exactly(number)),
            Requirement::AsKnownAt(at) => {
                let at = fields.instant("as_known_at", Some(at))??;
                if at > Timestamp::now() {
                    fields.refuse("as_known_at", "not lie in the future");
                    return None;
                }
                Some(Consistency::AsKnownAt(at))
            }
        })
    }

    /// A page of the question `rest`: the whole request, with its page taken out.
    pub fn page(
        &mut self,
        page: Option<pb::PageRequest>,
        method: &str,
        rest: &impl Message,
    ) -> Option<Page> {
        let pb::PageRequest { size, token } = page.unwrap_or_default();
        let question = fingerprint(method, rest);
        self.within("page", |fields| {
            let size = fields.read("size", Page::check_size(size));
            let token = fields.text("token", token, 2_000);
            Some(Page::new(size?, token?, question))
        })
    }

    /// The caller's id of a write: at most 128 characters, or none when empty.
    pub fn request_id(&mut self, text: String) -> Option<Option<String>> {
        let text = self.text("request_id", text, 128)?;
        Some((!text.is_empty()).then_some(text))
    }

    /// The revision of the version that a change replaces, or none.
    pub fn expected_revision(&mut self, number: Option<i64>) -> Option<Expected> {
        if number.is_some_and(|it| it < 0) {
            self.refuse("expected_revision", "be a revision, or 0 where nothing must stand");
            return None;
        }
        Some(Expected(number))
    }

    /// At most so many items in a list.
    pub fn at_most(&mut self, field: &str, count: usize, most: usize) -> Option<()> {
        let rule = || Rule::from(format!("hold at most {most} items, not {count}"));
        self.read(field, if count > most { Err(rule()) } else { Ok(()) })
    }

    /// Ends the reading: the value, or every bad field.
    pub fn done<T>(self, build: impl FnOnce() -> Option<T>) -> Result<T> {
        if !self.bad.is_empty() {
            return Err(Error::fields(self.bad));
        }
        build().ok_or_else(|| Error::internal("a field was dropped without a violation"))
    }
}

/// What holds for all text on the wire.
pub fn check_text(text: &str, most: usize) -> Result<(), Rule> {
    // Characters are at most four bytes: the cheap test first, so that a huge text costs nothing.
    if text.len() > most.saturating_mul(4) || text.chars().count() > most {
        return Err(format!("have at most {most} characters").into());
    }
    if text.chars().any(|it| it.is_control() && it != '\n' && it != '\t') {
        return Err("hold no control characters (such as NUL)".into());
    }
    if !is_nfc(text) {
        return Err("be in Unicode normalization form C".into());
    }
    Ok(())
}

/// A hash of what was asked: one for each question, the same on every run and machine.
pub fn fingerprint(method: &str, message: &impl Message) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(method.len().to_le_bytes());
    hash.update(method);
    hash.update(message.encode_to_vec());
    hash.finalize().into()
}

// === rows out ===

impl From<Timestamp> for prost_types::Timestamp {
    fn from(at: Timestamp) -> Self {
        let (seconds, nanos) = at.parts();
        Self { seconds, nanos }
    }
}

impl From<Revision> for pb::Revision {
    fn from(Revision { number, at }: Revision) -> Self {
        let committed_at = (number > 0).then(|| at.into());
        Self { number, committed_at }
    }
}

impl From<Receipt> for pb::Receipt {
    fn from(receipt: Receipt) -> Self {
        let Counts { created, corrected, unchanged, rejected } = receipt.counts();
        let Receipt { revision, results, replayed, validated_only, checkpoint } = receipt;
        let int = |it: usize| i32::try_from(it).unwrap_or(i32::MAX);
        Self {
            created: int(created),
            corrected: int(corrected),
            unchanged: int(unchanged),
            rejected: int(rejected),
            revision: Some(revision.into()),
            results: results.into_iter().zip(0..).map(|(it, index)| item(index, it)).collect(),
            replayed,
            validated_only,
            checkpoint: checkpoint.as_ref().to_owned(),
        }
    }
}

pub fn item(index: i32, result: ItemResult) -> pb::ItemResult {
    let ItemResult { outcome, reason, message, violations, id } = result;
    let outcome = match outcome {
        Outcome::Created => pb::ItemOutcome::Created,
        Outcome::Corrected => pb::ItemOutcome::Corrected,
        Outcome::Unchanged => pb::ItemOutcome::Unchanged,
        Outcome::Rejected => pb::ItemOutcome::Rejected,
    };
    let violations =
        violations.into_iter().map(|(field, rule)| pb::FieldViolation { field, rule }).collect();
    pb::ItemResult { index, outcome: outcome.into(), reason, violations, message, id }
}
