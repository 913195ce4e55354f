//! Explains how a call would be answered, by the rules that answer calls.
use std::{collections::BTreeSet, sync::Arc};

use super::Access;
use crate::{
    access::{
        queries::Grant,
        store::{
            agreements::{ListedAgreement, draft},
            limits,
        },
    },
    caller::{
        Caller, SystemCode,
        agreement::{Agreement, Operation, Right},
        credential::Credential,
        directory::Directory,
        policy::{self, Kind, PersonalData},
    },
    dossier::catalogue::Catalogue,
    error::{Error, Reason, Result},
    hub::Hub,
    indicator,
    indicator::definitions::Definitions,
    personal::Tier,
    revision::{Consistency, Revision, View},
    slug::Slug,
    time::{Day, Timestamp},
    unit,
    unit::forest::Forest,
};

/// A question about how a call would be answered.
#[derive(Debug)]
pub struct Explain {
    /// The system that would call; none for the caller.
    pub system: Option<SystemCode>,
    /// The method, such as `UnitService/GetUnit`.
    pub method: String,
    /// The purpose.
    pub purpose: Option<Slug>,
    /// Indicators that the call would ask for.
    pub indicators: Vec<indicator::Code>,
    /// Units that it would ask for.
    pub units: Vec<unit::Ref>,
    /// Procedures that it would ask for.
    pub procedures: Vec<String>,
    /// A draft, judged as if it were granted.
    pub draft: Option<Grant>,
}

/// An agreement that would answer, and what of the question it covers.
#[derive(Debug)]
pub struct Answering {
    /// The agreement.
    pub agreement: ListedAgreement,
    /// The operation that covers the call.
    pub operation: Operation,
    /// Whether only the system's own dossiers are shown.
    pub own_only: bool,
    /// How much personal data is shown, where there is any.
    pub tier: Option<Tier>,
    /// Indicators asked for that it does not cover.
    pub indicators: Vec<String>,
    /// Units asked for that it does not cover.
    pub units: Vec<unit::Name>,
    /// Procedures asked for that it does not cover.
    pub procedures: Vec<String>,
    /// What is left of each limit, and until when.
    pub limits: Vec<(limits::Left, Timestamp)>,
    /// What it opens.
    pub opens: Opens,
    /// Whether the call must come by a client certificate.
    pub certificate_required: bool,
    /// Indicators asked about that a publisher contributes to, beside their authoritative source.
    pub contributed: Vec<String>,
}

/// What an agreement opens.
#[derive(Debug, Default)]
pub struct Opens {
    /// Codes of indicators.
    pub indicators: Vec<String>,
    /// National codes of procedures.
    pub procedures: Vec<String>,
    /// How many units.
    pub units: usize,
}

/// The explanation: the agreements that would answer, and the refusal, if any.
#[derive(Debug)]
pub struct Explained {
    /// The revision it was read at.
    pub read_at: Revision,
    /// The agreements.
    pub answering: Vec<Answering>,
    /// The refusal.
    pub refusal: Option<Error>,
}

impl Access {
    /// Explains how a call would be answered.
    pub async fn explain(&self, hub: &Hub, caller: &Caller, asked: Explain) -> Result<Explained> {
        let Explain { system, method, purpose, indicators, units, procedures, draft: grant } =
            asked;
        let view = hub.revisions.view(caller, Consistency::Latest).await?;
        let directory = hub.reference::<Directory>(&view).await?;
        let own = caller.system.code.clone();
        let system = system.unwrap_or_else(|| own.clone());
        if system != own || grant.is_some() {
            caller.must_administer()?;
        }
        let missing = || Error::not_found("system", system.as_str());
        let (system_id, registered) = directory.by_code(system.as_str()).ok_or_else(missing)?;
        let mut agreements: Vec<Arc<Agreement>> = directory.agreements_of(system_id).to_vec();
        if let Some(grant) = grant {
            let forest = hub.reference::<Forest>(&view).await?;
            let drafted = draft(&directory, &forest, grant, hub.db.clock())
                .map_err(|it| it.under("draft"))?;
            agreements.retain(|it| it.code != drafted.code);
            if drafted.system_id == system_id {
                agreements.push(Arc::new(drafted));
            }
        }
        let path = format!("/sharehub.v1.{method}");
        let unknown = || Error::field("method", "be a method, such as `UnitService/GetUnit`");
        let subject = Caller {
            system_id,
            system: Arc::clone(registered),
            policy: policy::of(&path).ok_or_else(unknown)?,
            purpose,
            agreements: agreements.into(),
            // The credential of another system is unknown here, so the answer states the requirement instead.
            credential: match system == own {
                true => caller.credential.clone(),
                false => Credential::Internal,
            },
            ..caller.clone()
        };
        let mut refusal = None;
        if registered.disabled {
            let what = "the system is disabled: none of its keys is accepted";
            refusal = Some(Error::new(Reason::CallerUnknown, what));
        }
        let mut answering = Vec::new();
        match self.rights(hub, &subject, &view).await {
            Err(err) => refusal = refusal.or(Some(err)),
            Ok(rights) => {
                let about = About {
                    indicators: &indicators,
                    units: &units,
                    procedures: &procedures,
                    personal: subject.policy.personal(),
                };
                for right in rights.all() {
                    let told = describe(hub, &view, &directory, right, &about).await?;
                    let spent = told.limits.iter().find(|(it, _)| it.left == 0);
                    if let Some((spent, until)) = spent {
                        let code = right.agreement.code.as_str();
                        let err = limits::refuse(code, spent.limit, *until, hub.db.clock());
                        refusal = refusal.or(Some(err));
                    }
                    answering.push(told);
                }
            }
        }
        Ok(Explained { read_at: view.revision, answering, refusal })
    }
}

/// Judges which part of a call an agreement covers.
async fn describe(
    hub: &Hub,
    view: &View,
    directory: &Directory,
    right: &Right,
    about: &About<'_>,
) -> Result<Answering> {
    let agreement = &right.agreement;
    let kind = agreement.terms.dataset.kind();
    let (forest, catalogue) =
        (hub.reference::<Forest>(view).await?, hub.reference::<Catalogue>(view).await?);
    let definitions = hub.reference::<Definitions>(view).await?;
    let mut outside = Vec::new();
    for (index, named) in about.units.iter().enumerate() {
        let field = format!("units[{index}]");
        let unit = forest.resolve(named, Day::today(), &field)?;
        if !right.has_unit(unit.id, Day::today()) {
            outside.push(forest.name(unit.id));
        }
    }
    let mut opens = Opens {
        units: right.units.as_ref().map_or_else(|| forest.all().count(), |it| it.ever().count()),
        ..Opens::default()
    };
    match kind {
        Kind::Indicators => {
            let codes = definitions.all().map(|it| it.code.as_str().to_owned());
            opens.indicators = codes.filter(|it| agreement.has_indicator(it)).collect();
        }
        Kind::Dossiers => {
            let inside = catalogue.after("").filter(|it| right.has_procedure(it.id));
            opens.procedures = inside.map(|it| it.code.as_str().to_owned()).collect();
        }
    }
    let indicators = about.indicators.iter().map(indicator::Code::as_str);
    let indicators = indicators.filter(|it| !agreement.has_indicator(it));
    let system = directory.code_of(agreement.system_id);
    let is_beside = |it: &&indicator::Code| {
        let definition = definitions.known(it).filter(|_| agreement.has_indicator(it.as_str()));
        definition.is_some_and(|it| it.meaning.authoritative_source.as_str() != system)
    };
    let contributes = right.operation == Operation::Publish && agreement.terms.contributes;
    let contributed = about.indicators.iter().filter(|it| contributes && is_beside(it));
    let contributed = contributed.map(|it| it.as_str().to_owned()).collect();
    let opened: BTreeSet<&str> = opens.procedures.iter().map(String::as_str).collect();
    let procedures = about.procedures.iter().filter(|it| !opened.contains(it.as_str()));
    let now = hub.db.clock();
    let used = limits::used(hub.db.read(), agreement, now).await?;
    let limits = agreement.terms.limits.iter().zip(used).map(|(limit, used)| {
        let left = limits::Left { limit: *limit, left: (limit.calls - used).max(0) };
        (left, limit.per.around(now).1)
    });
    Ok(Answering {
        agreement: ListedAgreement { agreement: Arc::clone(agreement), system },
        operation: right.operation,
        own_only: kind == Kind::Dossiers && right.operation == Operation::Publish,
        tier: (kind == Kind::Dossiers).then_some(agreement.terms.personal_data),
        indicators: indicators.map(str::to_owned).collect(),
        units: outside,
        procedures: procedures.cloned().collect(),
        limits: limits.collect(),
        opens,
        certificate_required: about.personal.shows(agreement),
        contributed,
    })
}

/// What a call would ask for.
struct About<'a> {
    indicators: &'a [indicator::Code],
    units: &'a [unit::Ref],
    procedures: &'a [String],
    personal: PersonalData,
}
