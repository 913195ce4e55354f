//! Who asks, and what was granted to it.
pub mod credential;
pub mod directory;
pub mod refusals;
pub mod row;
pub mod rpc;
pub mod store;
pub mod token;
pub mod uses;

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use self::credential::Credential;
use crate::{
    audit::trail::Trail,
    error::{Error, Result},
    page::Page,
    revision::{Consistency, committer::Write},
    rule::Rule,
    time::Timestamp,
};

/// The system behind a request. Made by the `identify` layer; every store function asks for it.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The hub's id of the system.
    pub system_id: i64,
    /// What is registered of it.
    pub system: Arc<System>,
    /// By what it showed who it is.
    pub credential: Credential,
    /// When the call must have been answered: the caller's own deadline, or ours if that is sooner.
    pub deadline: Instant,
    /// The caller's own deadline, which also ends streams.
    pub until: Option<Instant>,
    /// Cuts the connection that the call came by, for a caller that cannot be told anything.
    pub connection: CancellationToken,
    /// What is to be recorded of the call.
    pub trail: Arc<Trail>,
}

impl Caller {
    /// The hub itself, for what it keeps of its own accord, by a name for it. It may publish reference data and issue keys.
    pub fn hub(what: &'static str, longest: Duration) -> Self {
        let grants = Grants { administrator: true, publish_units: true, ..Grants::default() };
        let system = System {
            code: SystemCode("sharehub".to_owned()),
            name: "sharehub".to_owned(),
            grants,
            statuses: BTreeMap::new(),
            disabled: false,
            made_at: 0,
        };
        let deadline = Instant::now() + longest;
        Self {
            system_id: 0,
            system: Arc::new(system),
            credential: Credential::Own,
            deadline,
            until: None,
            connection: CancellationToken::new(),
            trail: Trail::own(what),
        }
    }

    /// The same caller, with a fresh deadline for one step of a stream.
    #[must_use]
    pub fn now(&self, longest: Duration) -> Self {
        Self { deadline: Instant::now() + longest, ..self.clone() }
    }

    /// The grants of the system.
    pub fn grants(&self) -> &Grants {
        &self.system.grants
    }

    /// Refuses unless the caller is an administrator.
    pub fn must_administer(&self) -> Result<()> {
        if self.grants().administrator {
            return Ok(());
        }
        Err(Error::not_permitted("administrator"))
    }

    /// Whether the caller may see the records of others.
    pub fn may_audit(&self) -> bool {
        self.grants().auditor || self.grants().administrator
    }

    /// Refuses unless it may.
    pub fn must_audit(&self) -> Result<()> {
        if self.may_audit() {
            return Ok(());
        }
        Err(Error::not_permitted("auditor"))
    }
}

/// Code of a system: lower-case letters, digits, dots and hyphens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, sea_orm::DeriveValueType)]
pub struct SystemCode(String);

impl SystemCode {
    /// Reads a code.
    pub fn parse(text: &str) -> Result<Self, Rule> {
        if is_code(text) {
            return Ok(Self(text.to_owned()));
        }
        Err(CODE_RULE.into())
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The rule for codes of systems and indicators.
pub const CODE_RULE: &str =
    "be lower-case letters and digits, in groups joined by `.` or `-`, at most 64 characters";

/// Whether a text is a code: groups of lower-case letters and digits, joined by dots or hyphens.
pub fn is_code(text: &str) -> bool {
    let word = |it: &str| {
        !it.is_empty() && it.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    text.len() <= 64 && text.split(['.', '-']).all(word)
}

/// Which indicators a grant is for: a code, a prefix that ends in `.*`, or `*`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Pattern(String);

impl Pattern {
    /// Reads a pattern.
    pub fn parse(text: &str) -> Result<Self, Rule> {
        if text == "*" || is_code(text.strip_suffix(".*").unwrap_or(text)) {
            return Ok(Self(text.to_owned()));
        }
        Err("be a code, a prefix that ends in `.*`, or `*`".into())
    }

    /// Whether a code matches.
    pub fn matches(&self, code: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(prefix) => code.starts_with(prefix),
            None => code == self.0,
        }
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a system may do; everything else is refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Grants {
    /// Register systems, issue keys.
    pub administrator: bool,
    /// Publish units and successions.
    pub publish_units: bool,
    /// Define these indicators.
    pub define_indicators: Vec<Pattern>,
    /// Publish observations and targets of these indicators.
    pub publish_indicators: Vec<Pattern>,
    /// Read these indicators.
    pub read_indicators: Vec<Pattern>,
    /// Define procedures.
    pub define_procedures: bool,
    /// Publish dossiers as their source.
    pub publish_dossiers: bool,
    /// Read dossiers, without personal data.
    pub read_dossiers: bool,
    /// Read the personal data of dossiers.
    pub read_personal_data: bool,
    /// Read the audit log.
    pub auditor: bool,
}

impl Grants {
    /// Whether indicators with this code may be known to the system.
    pub fn sees_indicator(&self, code: &str) -> bool {
        [&self.read_indicators, &self.publish_indicators, &self.define_indicators]
            .iter()
            .any(|patterns| any(patterns, code))
    }
}

/// Whether a code matches one of the patterns.
pub fn any(patterns: &[Pattern], code: &str) -> bool {
    patterns.iter().any(|it| it.matches(code))
}

/// A registered system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct System {
    /// Its code.
    pub code: SystemCode,
    /// Its name.
    pub name: String,
    /// What it may do.
    pub grants: Grants,
    /// Its status codes of dossiers, and the national states (1 to 10) they map to; empty for the national codes.
    pub statuses: BTreeMap<String, i32>,
    /// Whether it was disabled.
    pub disabled: bool,
    /// The revision that made this version.
    pub made_at: i64,
}

/// A key, as it is kept: the secret is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Its id.
    pub id: String,
    /// The system that it is for.
    pub system_id: i64,
    /// SHA-256 of the secret: it is 256 random bits, so a slow hash would add nothing.
    pub hash: Vec<u8>,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// From when on it is refused.
    pub expires_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

impl Key {
    /// Whether it is accepted at an instant.
    pub fn lives(&self, at: Timestamp) -> bool {
        self.revoked_at.is_none() && at < self.expires_at
    }
}

/// Registers a system, or replaces what is registered under its code.
#[derive(Clone, Debug)]
pub struct Register {
    /// Its code.
    pub code: SystemCode,
    /// Its name.
    pub name: String,
    /// What it may do.
    pub grants: Grants,
    /// Its status codes.
    pub statuses: BTreeMap<String, i32>,
}

/// Asks for systems.
#[derive(Debug)]
pub struct List {
    /// The page.
    pub page: Page,
    /// What the read must have seen.
    pub consistency: Consistency,
}

/// Asks for a key.
#[derive(Clone, Debug)]
pub struct Issue {
    /// For this system.
    pub system: SystemCode,
    /// From when on it is refused.
    pub expires_at: Option<Timestamp>,
}

impl Issue {
    /// When the key will expire: within 366 days, a year when not said.
    pub fn expiry(&self, write: &Write) -> Result<Timestamp> {
        const DAY: i64 = 86_400_000_000;
        let now = write.revision.at;
        let (usual, most) = (now.micros() + 365 * DAY, now.micros() + 366 * DAY);
        let expires_at = self.expires_at.unwrap_or(Timestamp::from_micros(usual));
        if expires_at <= now || expires_at.micros() > most {
            return Err(Error::field("expires_at", "lie in the future, at most 366 days ahead"));
        }
        Ok(expires_at)
    }
}
