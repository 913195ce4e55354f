//! What each method needs: the one table from methods to policies, and how a call's agreement is found.
use std::sync::Arc;

use super::{
    Grants,
    agreement::{Agreement, Operation, not_covered},
};
use crate::{
    error::{Error, Reason, Result},
    personal::Tier,
    slug::Slug,
    time::Timestamp,
};

/// A right over the hub or its reference data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SystemGrant {
    /// Registers systems, issues keys, makes agreements.
    Administrator,
    /// Publishes units.
    PublishUnits,
    /// Defines indicators.
    DefineIndicators,
    /// Defines procedures.
    DefineProcedures,
    /// Reads the audit log; administrators do, too.
    Auditor,
}

impl SystemGrant {
    /// The name of the grant.
    pub fn name(self) -> &'static str {
        match self {
            Self::Administrator => "administrator",
            Self::PublishUnits => "publish_units",
            Self::DefineIndicators => "define_indicators",
            Self::DefineProcedures => "define_procedures",
            Self::Auditor => "auditor",
        }
    }

    /// Refuses a caller without the grant.
    pub fn must_be_held(self, grants: &Grants) -> Result<()> {
        let is_held = match self {
            Self::Administrator => grants.administrator,
            Self::PublishUnits => grants.publish_units,
            Self::DefineIndicators => !grants.define_indicators.is_empty(),
            Self::DefineProcedures => grants.define_procedures,
            Self::Auditor => grants.auditor || grants.administrator,
        };
        if is_held { Ok(()) } else { Err(Error::not_permitted(self.name())) }
    }
}

/// A kind of data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Observations and targets.
    Indicators,
    /// Dossiers and their events.
    Dossiers,
}

impl Kind {
    /// Its name in refusals.
    pub fn name(self) -> &'static str {
        match self {
            Self::Indicators => "indicators",
            Self::Dossiers => "dossiers",
        }
    }
}

/// What a method needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// A registered system.
    Identified,
    /// A grant of the system.
    Grant(SystemGrant),
    /// An agreement that covers one of the operations, the first one before the others.
    Data(Kind, &'static [Operation], PersonalData),
    /// An agreement for each kind of data that the call asks for; what none covers is left out.
    Feed,
}

impl Policy {
    /// Whether an answer may hold personal data.
    pub fn personal(self) -> PersonalData {
        match self {
            Self::Identified | Self::Grant(_) => Never,
            Self::Data(_, _, personal) => personal,
            Self::Feed => AsAgreed,
        }
    }
}

/// Whether an answer may hold personal data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PersonalData {
    /// Never.
    Never,
    /// As the agreement says.
    AsAgreed,
}

impl PersonalData {
    /// Whether an answer under an agreement may show personal data.
    pub fn shows(self, agreement: &Agreement) -> bool {
        self == AsAgreed && agreement.terms.personal_data > Tier::None
    }
}

use Operation::{Count, Publish, Read, Watch};
use PersonalData::{AsAgreed, Never};
use Policy::{Data, Feed, Identified};

const ADMINISTRATOR: Policy = Policy::Grant(SystemGrant::Administrator);
const READ_INDICATORS: Policy = Data(Kind::Indicators, &[Read], Never);
const PUBLISH_INDICATORS: Policy = Data(Kind::Indicators, &[Publish], Never);
/// The source of a dossier may read it.
const READ_DOSSIERS: Policy = Data(Kind::Dossiers, &[Read, Publish], AsAgreed);
const PUBLISH_DOSSIERS: Policy = Data(Kind::Dossiers, &[Publish], Never);

/// Every method, by its path without the package. A method that is not here is refused.
#[rustfmt::skip]
pub const POLICIES: &[(&str, Policy)] = &[
    ("AccessService/ApproveHeldChange", ADMINISTRATOR),
    ("AccessService/DisableSystem", ADMINISTRATOR),
    ("AccessService/EnableSystem", ADMINISTRATOR),
    // About itself; about others, administrators.
    ("AccessService/ExplainAccess", Identified),
    ("AccessService/GrantAgreement", ADMINISTRATOR),
    ("AccessService/IssueKey", ADMINISTRATOR),
    // Callers other than administrators see their own.
    ("AccessService/ListAgreements", Identified),
    ("AccessService/ListHeldChanges", ADMINISTRATOR),
    ("AccessService/ListSystems", ADMINISTRATOR),
    ("AccessService/RefuseHeldChange", ADMINISTRATOR),
    ("AccessService/RegisterSystem", ADMINISTRATOR),
    ("AccessService/RevokeAgreement", ADMINISTRATOR),
    ("AccessService/RevokeKey", ADMINISTRATOR),
    ("AccessService/UpdateSystem", ADMINISTRATOR),
    ("AccessService/WhoAmI", Identified),
    ("AuditService/GetCheckpoint", Identified),
    ("AuditService/ListAccessToSubject", Policy::Grant(SystemGrant::Auditor)),
    // Callers other than auditors see their own.
    ("AuditService/ListRecords", Identified),
    ("AuditService/ProveConsistency", Identified),
    ("AuditService/ProveInclusion", Identified),
    ("DossierService/DefineProcedures", Policy::Grant(SystemGrant::DefineProcedures)),
    ("DossierService/ErasePersonalData", ADMINISTRATOR),
    ("DossierService/ExportDossiers", READ_DOSSIERS),
    ("DossierService/GetDossier", READ_DOSSIERS),
    ("DossierService/GetProcedure", Identified),
    ("DossierService/IngestDossiers", PUBLISH_DOSSIERS),
    ("DossierService/ListDossiers", READ_DOSSIERS),
    ("DossierService/ListProcedures", Identified),
    ("DossierService/LookUpDossier", Data(Kind::Dossiers, &[Read, Publish], Never)),
    ("DossierService/PublishDossiers", PUBLISH_DOSSIERS),
    ("DossierService/PublishEvents", PUBLISH_DOSSIERS),
    ("DossierService/SummarizeDossiers", Data(Kind::Dossiers, &[Read, Count], Never)),
    ("DossierService/WithdrawDossiers", PUBLISH_DOSSIERS),
    ("DossierService/WithdrawProcedures", Policy::Grant(SystemGrant::DefineProcedures)),
    // A resume token stays its owner's, even where the rights behind it have ended.
    ("FeedService/Acknowledge", Identified),
    ("FeedService/ListConsumers", ADMINISTRATOR),
    ("FeedService/Watch", Feed),
    ("HubService/GetInfo", Identified),
    ("IndicatorService/DefineIndicators", Policy::Grant(SystemGrant::DefineIndicators)),
    ("IndicatorService/ExportObservations", READ_INDICATORS),
    ("IndicatorService/GetAvailability", READ_INDICATORS),
    // Definitions are no data: a system that defines them, or has an agreement about them, may read them.
    ("IndicatorService/GetIndicator", Identified),
    ("IndicatorService/GetSnapshot", READ_INDICATORS),
    ("IndicatorService/IngestObservations", PUBLISH_INDICATORS),
    // Words and labels, and of dimensions those of definitions that the caller may know of.
    ("IndicatorService/ListCodeLists", Identified),
    ("IndicatorService/ListIndicatorGroups", Identified),
    ("IndicatorService/ListIndicators", Identified),
    // Callers other than auditors see their own.
    ("IndicatorService/ListRejections", Identified),
    ("IndicatorService/ListRevisions", READ_INDICATORS),
    // Of indicators that the caller may know of.
    ("IndicatorService/ListSources", Identified),
    ("IndicatorService/PublishObservations", PUBLISH_INDICATORS),
    ("IndicatorService/PublishTargets", PUBLISH_INDICATORS),
    ("IndicatorService/QueryObservations", READ_INDICATORS),
    ("IndicatorService/QueryTargets", READ_INDICATORS),
    ("IndicatorService/RankUnits", READ_INDICATORS),
    ("IndicatorService/RollUp", READ_INDICATORS),
    ("IndicatorService/WithdrawObservations", PUBLISH_INDICATORS),
    ("IndicatorService/WithdrawTargets", PUBLISH_INDICATORS),
    ("UnitService/GetUnit", Identified),
    ("UnitService/ListUnits", Identified),
    ("UnitService/PublishUnits", Policy::Grant(SystemGrant::PublishUnits)),
    ("UnitService/TraceUnit", Identified),
];

/// The policy of a method, by the path of a request.
pub fn of(path: &str) -> Option<Policy> {
    let method = path.strip_prefix("/sharehub.v1.")?;
    let place = POLICIES.binary_search_by(|(name, _)| (*name).cmp(method)).ok()?;
    POLICIES.get(place).map(|(_, policy)| *policy)
}

/// What decides which agreement answers a call.
#[derive(Clone, Copy, Debug)]
pub struct Search<'a> {
    /// The agreements of the system.
    pub agreements: &'a [Arc<Agreement>],
    /// The purpose that the call names.
    pub purpose: Option<&'a Slug>,
    /// When it is made.
    pub at: Timestamp,
    /// Whether it comes by a client certificate.
    pub certified: bool,
}

impl Search<'_> {
    /// The one agreement that answers a call, and the operation of it.
    pub fn find(
        &self,
        kind: Kind,
        operations: &[Operation],
        personal: PersonalData,
    ) -> Result<(Arc<Agreement>, Operation)> {
        let Self { agreements, purpose, at, certified: _ } = *self;
        for &operation in operations {
            let all = agreements.iter().filter(|it| it.covers(operation, kind) && it.lives(at));
            let is_named = |it: &Agreement| purpose.is_none_or(|purpose| it.purpose == *purpose);
            let fit: Vec<_> = all.filter(|it| is_named(it)).collect();
            match fit.as_slice() {
                [] => {}
                // At most one per purpose: granting refuses agreements that overlap.
                [one] => {
                    if personal.shows(one) && purpose.is_none() {
                        return Err(purpose_required(&fit, "the answer may show personal data"));
                    }
                    self.may_show(one, personal)?;
                    return Ok((Arc::clone(one), operation));
                }
                _ => return Err(purpose_required(&fit, "several agreements could answer")),
            }
        }
        let operation = operations.first().copied().unwrap_or(Read);
        Err(not_covered(operation, kind, purpose))
    }

    /// Personal data requires a client certificate: a stolen key or token must not reveal any.
    pub fn may_show(&self, agreement: &Agreement, personal: PersonalData) -> Result<()> {
        if self.certified || !personal.shows(agreement) {
            return Ok(());
        }
        let what = "the answer may show personal data: call with a client certificate";
        Err(Error::new(Reason::CertificateRequired, what)
            .with("agreement", agreement.code.as_str().to_owned()))
    }
}

/// The operations by which changes of a kind of data are followed.
pub fn followed_by(kind: Kind) -> &'static [Operation] {
    match kind {
        Kind::Indicators => &[Watch],
        Kind::Dossiers => &[Watch, Publish],
    }
}

fn purpose_required(fit: &[&Arc<Agreement>], why: &str) -> Error {
    let mut purposes: Vec<_> = fit.iter().map(|it| it.purpose.as_str()).collect();
    purposes.sort_unstable();
    purposes.dedup();
    let purposes = purposes.join(", ");
    let what = format!("{why}: name the purpose in the metadata `sharehub-purpose`: {purposes}");
    Error::new(Reason::PurposeRequired, what).with("purposes", purposes)
}
