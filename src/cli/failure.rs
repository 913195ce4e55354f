//! How a command fails: in words, and by its exit code.
use std::{error::Error as StdError, fmt, io};

use tonic::{Code, Status, TimeoutExpired, transport};
use tonic_types::StatusExt;

use crate::config::{BadConfig, Exit};

/// A failure in words, and the exit code that goes with it.
#[derive(Debug)]
pub(super) struct Failure {
    exit: Exit,
    text: String,
}

impl Failure {
    /// A failure with its exit code.
    pub(super) fn new(exit: Exit, text: impl Into<String>) -> Self {
        Self { exit, text: text.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl StdError for Failure {}

/// A refusal of the hub: code, message, reason, and every bad field.
impl From<&Status> for Failure {
    fn from(status: &Status) -> Self {
        let mut text = match timed_out(status) {
            true => "DeadlineExceeded: no answer in time".to_owned(),
            false => format!("{:?}: {}", status.code(), status.message()),
        };
        if let Some(info) = status.get_details_error_info() {
            text.push_str(&format!("\n  reason: {}", info.reason));
        }
        for it in status.get_details_bad_request().into_iter().flat_map(|it| it.field_violations) {
            text.push_str(&format!("\n  {}: {}", it.field, it.description));
        }
        Self::new(exit_of_status(status), text)
    }
}

/// Standard output was closed: its reader has read enough, which is no failure.
#[derive(Debug)]
pub(super) struct ReaderGone;

impl fmt::Display for ReaderGone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nobody reads on")
    }
}

impl StdError for ReaderGone {}

/// An error of writing to standard output.
pub(super) fn unwritten(err: io::Error) -> Box<dyn StdError> {
    if err.kind() == io::ErrorKind::BrokenPipe { ReaderGone.into() } else { err.into() }
}

/// The exit code for what ended a command.
pub fn exit_of(err: &(dyn StdError + 'static)) -> Exit {
    if err.is::<ReaderGone>() {
        return Exit::Done;
    }
    if err.is::<BadConfig>() {
        return Exit::Usage;
    }
    if err.is::<transport::Error>() {
        return Exit::Unreachable;
    }
    match (err.downcast_ref::<Failure>(), err.downcast_ref::<Status>()) {
        (Some(failure), _) => failure.exit,
        (None, Some(status)) => exit_of_status(status),
        (None, None) => Exit::Failed,
    }
}

fn exit_of_status(status: &Status) -> Exit {
    // A connection that broke is told by the client's own side of it, without a reason of the hub.
    let is_broken = status.source().is_some() && status.get_details_error_info().is_none();
    let code = status.code();
    let may_be_broken = matches!(code, Code::Cancelled | Code::Unknown | Code::Internal);
    if is_broken && may_be_broken { Exit::Unreachable } else { code.into() }
}

/// Whether the call took longer than this side waits.
fn timed_out(status: &Status) -> bool {
    let mut next = status.source();
    while let Some(err) = next {
        if err.is::<TimeoutExpired>() {
            return true;
        }
        next = err.source();
    }
    false
}
