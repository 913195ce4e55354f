//! The exit codes of the program: one place for what they are, and for which refusal exits with which.
use tonic::Code;

/// What the codes mean, for `--help`.
pub(super) const HELP: &str = "\
Exit codes:
  0   done
  1   an item was rejected, or the command failed in another way
  2   refused: the request is not one that the hub can answer
  3   not permitted: the caller is not known, or may not do this
  4   unreachable: no connection, not available, or no answer in time
  64  the command line or a setting cannot be used";

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// What was asked for is done.
    Done,
    /// An item was rejected, a check failed, or something broke.
    Failed,
    /// The request would be refused again as it is.
    Refused,
    /// The caller is not known, or may not do this.
    NotPermitted,
    /// The hub was not reached, cannot answer now, or took too long.
    Unreachable,
    /// The command line or a setting cannot be used (`EX_USAGE`).
    Usage,
}

impl Exit {
    /// The number.
    pub fn number(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Refused => 2,
            Self::NotPermitted => 3,
            Self::Unreachable => 4,
            Self::Usage => 64,
        }
    }
}

impl From<Code> for Exit {
    fn from(code: Code) -> Self {
        match code {
            Code::Ok => Self::Done,
            Code::InvalidArgument
            | Code::NotFound
            | Code::AlreadyExists
            | Code::FailedPrecondition
            | Code::OutOfRange
            | Code::Unimplemented => Self::Refused,
            Code::Unauthenticated | Code::PermissionDenied => Self::NotPermitted,
            Code::Unavailable | Code::DeadlineExceeded => Self::Unreachable,
            Code::Cancelled
            | Code::Unknown
            | Code::ResourceExhausted
            | Code::Aborted
            | Code::Internal
            | Code::DataLoss => Self::Failed,
        }
    }
}
