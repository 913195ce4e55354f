//! Optimistic concurrency: a change says which version it replaces, and is refused when another one stands.
use crate::error::{Error, Reason, Result};

/// The revision of the version that a change replaces, where the caller names it; 0 where there must be none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expected(pub Option<i64>);

impl Expected {
    /// Whatever stands is replaced.
    pub const ANY: Self = Self(None);

    /// Refuses to replace the version that `standing` made (0: there is none) when another one was expected.
    pub fn check(self, what: &str, code: &str, standing: i64) -> Result<()> {
        let Some(expected) = self.0.filter(|it| *it != standing) else { return Ok(()) };
        let words = match (expected, standing) {
            (_, 0) => {
                format!("there is no {what} `{code}` yet, and revision {expected} was expected")
            }
            (0, _) => format!("the {what} `{code}` exists, at revision {standing}"),
            _ => format!(
                "the {what} `{code}` stands at revision {standing}, not {expected}; read it again"
            ),
        };
        Err(conflict(Reason::RevisionConflict, words, standing).at("expected_revision"))
    }

    /// As [`Expected::check`]; where the caller named no version, nothing may stand.
    pub fn check_named(self, what: &str, code: &str, standing: i64) -> Result<()> {
        if self == Self::ANY && standing != 0 {
            return Err(in_use(what, code, standing).at("expected_revision"));
        }
        self.check(what, code, standing)
    }
}

/// The code of a thing that is only created is in use.
pub fn in_use(what: &str, code: &str, standing: i64) -> Error {
    let words = format!("the {what} `{code}` exists with other content, at revision {standing}");
    conflict(Reason::AlreadyExists, words, standing)
}

fn conflict(reason: Reason, words: String, standing: i64) -> Error {
    Error::new(reason, words).with("current", standing)
}
