//! The caller of a request: its system, its grants, and the agreements that share data with it.
pub mod agreement;
pub mod credential;
pub mod directory;
pub mod policy;
pub mod refusals;
pub mod scope;
pub mod token;

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use self::{
    agreement::{Agreement, Operation, Right, Rights, not_covered},
    credential::Credential,
    policy::{Kind, Policy, SystemGrant},
    scope::UnitScope,
};
use crate::{
    error::{Error, Reason, Result},
    log::trail::Trail,
    personal::Tier,
    rule::Rule,
    slug::Slug,
    slug::{SLUG_RULE, is_slug},
    time::{Day, Timestamp},
};

/// The system behind a request, with its rights. The `identify` layer makes it, `permit` adds the rights, and every
/// store function takes one.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The hub's id of the system.
    pub system_id: i64,
    /// The system as it is registered.
    pub system: Arc<System>,
    /// The credential that identified it.
    pub credential: Credential,
    /// Whether the call came by TLS, by which certificates can be shown.
    pub over_tls: bool,
    /// Deadline of the call: the caller's own, or the hub's if that comes first.
    pub deadline: Instant,
    /// The caller's own deadline, which also ends streams.
    pub until: Option<Instant>,
    /// Cuts the connection that the call came by, for a caller that cannot be told anything.
    pub connection: CancellationToken,
    /// What the audit record of the call will say.
    pub trail: Arc<Trail>,
    /// The policy of its method.
    pub policy: Policy,
    /// The purpose that the call names.
    pub purpose: Option<Slug>,
    /// Every agreement of the system, also those that do not hold at the moment.
    pub agreements: Arc<[Arc<Agreement>]>,
    /// The agreements that answer the call.
    pub rights: Rights,
}

impl Caller {
    /// The hub itself, in tasks that nobody asked for; the name says which task. It holds every grant and sees no data.
    pub fn hub(what: &'static str, longest: Duration) -> Self {
        let grants = Grants { administrator: true, publish_units: true, ..Grants::default() };
        let system = System {
            code: SystemCode("sharehub".to_owned()),
            name: "sharehub".to_owned(),
            grants,
            statuses: BTreeMap::new(),
            agency_unit_id: None,
            contact: String::new(),
            disabled: false,
            made_at: 0,
        };
        let deadline = Instant::now() + longest;
        Self {
            system_id: 0,
            system: Arc::new(system),
            credential: Credential::Internal,
            over_tls: false,
            deadline,
            until: None,
            connection: CancellationToken::new(),
            trail: Trail::internal(what),
            policy: Policy::Identified,
            purpose: None,
            agreements: Arc::default(),
            rights: Rights::default(),
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
        SystemGrant::Administrator.must_be_held(self.grants())
    }

    /// Refuses an act that hands out rights or destroys data unless the caller shows a client certificate: a stolen key
    /// or token must not suffice for it. Where a hub speaks plain text, to its own machine, nobody can show one.
    pub fn must_show_certificate(&self, act: &str) -> Result<()> {
        if !self.over_tls || self.credential.is_certificate() {
            return Ok(());
        }
        let what =
            format!("{act} requires a client certificate: a key or a token does not suffice");
        Err(Error::new(Reason::CertificateRequired, what))
    }

    /// Refuses to register or change an administrator's system without a client certificate.
    pub fn may_change_system(&self, is_administrator: bool) -> Result<()> {
        if !is_administrator {
            return Ok(());
        }
        self.must_show_certificate("registering or changing an administrator")
    }

    // === what it may know of ===

    /// Whether the caller may know that the indicator exists: an agreement covers it, or the caller defines it.
    pub fn knows_indicator(&self, code: &str) -> bool {
        agreement::knows_indicator(self.grants(), &self.agreements, code, Timestamp::now())
    }

    // === what this call may be answered with ===

    /// Whether the answer may hold data of an indicator.
    pub fn sees_indicator(&self, code: &str) -> bool {
        self.rights.indicators.as_ref().is_some_and(|it| it.agreement.has_indicator(code))
    }

    /// The units of which the call may be answered with data of indicators, and of which days; all where there is no
    /// list.
    pub fn indicator_units(&self) -> Option<&Arc<UnitScope>> {
        self.rights.indicators.as_ref().and_then(|it| it.units.as_ref())
    }

    /// Whether the call may be answered with what is reported for a unit and speaks of a day: the last one of its
    /// period.
    pub fn sees_unit(&self, id: i64, day: Day) -> bool {
        self.rights.indicators.as_ref().is_some_and(|it| it.has_unit(id, day))
    }

    /// Whether the call may be answered with what is reported for a unit and speaks of any day.
    pub fn sees_unit_ever(&self, id: i64) -> bool {
        let right = self.rights.indicators.as_ref();
        right.is_some_and(|it| it.units.as_ref().is_none_or(|it| it.has_ever(id)))
    }

    /// Whether the call may be answered with the dossiers of others, too.
    pub fn sees_others_dossiers(&self) -> bool {
        self.rights.dossiers.as_ref().is_some_and(|it| it.operation != Operation::Publish)
    }

    /// Whether the caller may know of every dossier, by any of its agreements.
    pub fn knows_every_dossier(&self) -> bool {
        let now = Timestamp::now();
        self.agreements.iter().any(|it| {
            it.lives(now) && it.covers(Operation::Read, Kind::Dossiers) && it.terms.is_for_all()
        })
    }

    /// How much personal data the call may be answered with.
    pub fn tier(&self) -> Tier {
        let right = self.rights.dossiers.as_ref();
        right.map_or(Tier::None, |it| it.agreement.terms.personal_data)
    }

    /// The right to a kind of data, or the refusal.
    pub fn right(&self, kind: Kind, operation: Operation) -> Result<&Right> {
        let right = self.rights.of(kind);
        right.ok_or_else(|| not_covered(operation, kind, self.purpose.as_ref()))
    }

    /// Whether the caller may see the records of others.
    pub fn may_audit(&self) -> bool {
        self.grants().auditor || self.grants().administrator
    }

    /// Refuses a caller that may not.
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
        if is_slug(text) {
            return Ok(Self(text.to_owned()));
        }
        Err(SLUG_RULE.into())
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A pattern of indicator codes: a code, a prefix that ends in `.*`, or `*`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Pattern(String);

impl Pattern {
    /// Reads a pattern.
    pub fn parse(text: &str) -> Result<Self, Rule> {
        if text == "*" || is_slug(text.strip_suffix(".*").unwrap_or(text)) {
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

/// The grants of a system; rights to data are in its agreements.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Grants {
    /// Registers systems, issues keys, grants agreements.
    pub administrator: bool,
    /// Publish units and successions.
    pub publish_units: bool,
    /// Define these indicators.
    pub define_indicators: Vec<Pattern>,
    /// Define procedures.
    pub define_procedures: bool,
    /// Read the audit log.
    pub auditor: bool,
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
    /// The unit that runs it.
    pub agency_unit_id: Option<i64>,
    /// Contact for questions about what it publishes; may be empty.
    pub contact: String,
    /// Whether it was disabled.
    pub disabled: bool,
    /// The revision that made this version.
    pub made_at: i64,
}

/// A key as the hub stores it: without its secret.
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
    /// When it expires.
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
