//! Queries about agreements.
use std::sync::Arc;

use sea_orm::{ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait};

use crate::{
    access::{
        queries::{Grant, ListAgreements, PutAgreement, RevokeAgreement},
        row::agreement,
    },
    caller::{
        Caller, System,
        agreement::{Agreement, LONGEST, SignedDocument, Terms},
        directory::Directory,
    },
    error::{Error, Reason, Result},
    hub::{BatchOptions, Hub, WriteOp},
    outcome::Outcome,
    page::Paged,
    revision::versioned::{standing, supersede},
    revision::{
        ReferenceData, Revision, View,
        receipt::{ItemResult, Receipt},
        write::Write,
    },
    slug::Slug,
    time::{Day, Timestamp},
    unit::forest::Forest,
};

/// The one door to agreements: those that stood at a revision.
fn visible(number: i64) -> sea_orm::Select<agreement::Entity> {
    standing(number)
}

/// Loads every agreement as it stood at a revision.
pub async fn load(db: &impl ConnectionTrait, number: i64) -> Result<Vec<Agreement>> {
    let rows = visible(number).all(db).await?;
    rows.into_iter().map(Agreement::try_from).collect()
}

/// An agreement with its system, for answers.
#[derive(Debug)]
pub struct ListedAgreement {
    /// The agreement.
    pub agreement: Arc<Agreement>,
    /// The system.
    pub system: String,
}

impl ListedAgreement {
    fn new(agreement: &Arc<Agreement>, directory: &Directory) -> Self {
        let system = directory.code_of(agreement.system_id);
        Self { agreement: Arc::clone(agreement), system }
    }
}

/// The effect of a grant: its receipt, the agreement before, and the agreement now (or as it would be).
pub type Granted = (Receipt, Option<ListedAgreement>, ListedAgreement);

/// Grants an agreement, or replaces the version that it names.
pub async fn grant(
    hub: &Arc<Hub>,
    caller: &Caller,
    ask: BatchOptions,
    put_agreement: PutAgreement,
) -> Result<Granted> {
    let grant = &put_agreement.grant;
    let view = hub.revisions.latest();
    let directory = hub.reference::<Directory>(&view).await?;
    let code = grant.code.clone();
    let before = directory.agreement(code.as_str()).map(|it| ListedAgreement::new(it, &directory));
    let tried = ask.validate_only.then(|| grant.clone());
    let receipt = hub.write_one(caller, ask, ReferenceData::Access, put_agreement).await?;
    let after = match tried {
        Some(grant) => {
            let forest = hub.reference::<Forest>(&view).await?;
            let drafted = draft(&directory, &forest, grant, hub.db.clock());
            Arc::new(drafted.map_err(|it| it.under("agreement"))?)
        }
        None => {
            let directory = hub.reference::<Directory>(&hub.revisions.latest()).await?;
            let kept = directory.agreement(code.as_str()).map(Arc::clone);
            kept.ok_or_else(|| Error::internal("an agreement was granted, and is not there"))?
        }
    };
    let after = ListedAgreement::new(&after, &directory);
    Ok((receipt, before, after))
}

/// Grants an agreement, or replaces the expected version.
impl WriteOp for PutAgreement {
    type Output = ItemResult;

    async fn run(self, hub: &Hub, write: &Write, caller: &Caller) -> Result<ItemResult> {
        caller.must_show_certificate("making an agreement")?;
        let PutAgreement { grant, expected } = self;
        let directory = hub.reference::<Directory>(write).await?;
        let forest = hub.reference::<Forest>(write).await?;
        let drafted = draft(&directory, &forest, grant, write.revision.at)
            .map_err(|it| it.under("agreement"))?;
        let known = directory.agreement(drafted.code.as_str());
        if known.is_some_and(|it| **it == (Agreement { made_at: it.made_at, ..drafted.clone() })) {
            return Ok(ItemResult::new(Outcome::Unchanged, 0));
        }
        let standing = known.map_or(0, |it| it.made_at);
        expected.check_named("agreement", drafted.code.as_str(), standing)?;
        let outcome = if known.is_some() { Outcome::Corrected } else { Outcome::Created };
        keep(write, drafted).await?;
        Ok(ItemResult::new(outcome, 0))
    }
}

/// Resolves an agreement's system and units, and refuses one that overlaps another. Refusals name fields by their path
/// from the agreement.
pub fn draft(
    directory: &Directory,
    forest: &Forest,
    grant: Grant,
    now: Timestamp,
) -> Result<Agreement> {
    let Grant {
        code,
        system,
        purpose,
        title,
        legal_basis,
        document,
        terms,
        units,
        valid_from,
        valid_before,
    } = grant;
    let known = directory.agreement(code.as_str());
    let (system_id, _) = directory
        .by_code(system.as_str())
        .ok_or_else(|| Error::not_found("system", system.as_str()).at("system"))?;
    if known.is_some_and(|it| it.system_id != system_id) {
        let rule = "be the system that the agreement was made with";
        return Err(Error::field("system", rule));
    }
    let mut found = std::collections::BTreeSet::new();
    let mut refused = Vec::new();
    for (index, named) in units.iter().enumerate() {
        match forest.resolve(named, Day::today(), "") {
            Ok(unit) => {
                found.insert(unit.id);
            }
            Err(err) => refused.push((index, err)),
        }
    }
    Error::all(refused, "units")?;
    let stood = known.filter(|it| it.revoked_at.is_none()).map(|it| it.valid_from);
    let valid_from = valid_from.or(stood).unwrap_or(now);
    let length = valid_before.micros().saturating_sub(valid_from.micros());
    if length <= 0 || length > LONGEST {
        let rule = "lie after `valid_from`, by ten years at most";
        return Err(Error::field("valid_before", rule));
    }
    let terms = Terms { units: found, ..terms };
    let drafted = Agreement {
        code,
        system_id,
        purpose,
        title,
        legal_basis,
        document,
        terms,
        valid_from,
        valid_before,
        revoked_at: None,
        made_at: 0,
    };
    let shared = directory.agreements().filter(|it| it.code != drafted.code);
    let shared = shared.filter_map(|it| Some((it, drafted.shares_codes(it)?))).next();
    if let Some((other, codes)) = shared {
        let rule = format!(
            "not overlap the codes of another system while both hold: `{codes}`, agreement `{}`",
            other.code.as_str()
        );
        return Err(Error::field("dossier_codes", rule));
    }
    let mut others = directory.agreements().filter(|it| it.code != drafted.code);
    if let Some(other) = others.find(|it| it.overlaps(&drafted)) {
        let (other, purpose) = (other.code.as_str(), drafted.purpose.as_str());
        let what = format!("`{other}` answers calls for the purpose `{purpose}` at the same time");
        return Err(Error::new(Reason::AgreementOverlaps, what).with("agreement", other));
    }
    Ok(drafted)
}

/// Revokes an agreement.
impl WriteOp for RevokeAgreement {
    type Output = ItemResult;

    async fn run(self, hub: &Hub, write: &Write, caller: &Caller) -> Result<ItemResult> {
        caller.must_show_certificate("revoking an agreement")?;
        let RevokeAgreement { code, expected } = self;
        let directory = hub.reference::<Directory>(write).await?;
        let missing = || Error::not_found("agreement", code.as_str());
        let known = directory.agreement(code.as_str()).ok_or_else(missing)?;
        if known.revoked_at.is_some() {
            return Ok(ItemResult::new(Outcome::Unchanged, 0));
        }
        expected.check("agreement", code.as_str(), known.made_at)?;
        let revoked_at = Some(write.revision.at);
        keep(write, Agreement { revoked_at, ..known.as_ref().clone() }).await?;
        Ok(ItemResult::new(Outcome::Corrected, 0))
    }
}

/// Supersedes the standing version with a new one.
async fn keep(write: &Write, kept: Agreement) -> Result<()> {
    supersede::<agreement::Entity>(write, agreement::Column::Code.eq(kept.code.as_str())).await?;
    let Agreement {
        code,
        system_id,
        purpose,
        title,
        legal_basis,
        document,
        terms,
        valid_from,
        valid_before,
        revoked_at,
        made_at: _,
    } = kept;
    let row = agreement::ActiveModel {
        code: Set(code.as_str().to_owned()),
        system_id: Set(system_id),
        purpose: Set(purpose),
        title: Set(title),
        legal_basis: Set(legal_basis),
        document_number: Set(document.number),
        document_sha256: Set(document.sha256),
        terms_json: Set(serde_json::to_string(&terms).map_err(Error::internal)?),
        valid_from: Set(valid_from),
        valid_until: Set(valid_before),
        revoked_at: Set(revoked_at),
        made_at: Set(write.revision.number),
        superseded_at: Set(None),
    };
    agreement::Entity::insert(row).exec_without_returning(&write.db).await?;
    Ok(())
}

/// Lists agreements: to administrators those of every system, to others their own.
pub async fn list(
    hub: &Hub,
    caller: &Caller,
    list: ListAgreements,
) -> Result<(Revision, Paged<ListedAgreement>)> {
    let ListAgreements { system, with_ended, page, consistency } = list;
    let (view, after): (View, _) = hub.revisions.page(caller, consistency, &page).await?;
    let directory = hub.reference::<Directory>(&view).await?;
    let is_administrator = caller.grants().administrator;
    let of = |id: i64| directory.by_id(id).map_or("", |it: &Arc<System>| it.code.as_str());
    let now = hub.db.clock();
    let items: Vec<_> = directory
        .agreements()
        .filter(|it| is_administrator || it.system_id == caller.system_id)
        .filter(|it| system.as_ref().is_none_or(|system| of(it.system_id) == system.as_str()))
        .filter(|it| with_ended || (it.revoked_at.is_none() && now < it.valid_before))
        .filter(|it| after.as_ref().is_none_or(|after| it.code.as_str() > after.as_str()))
        .take(page.size() + 1)
        .map(|it| ListedAgreement::new(it, &directory))
        .collect();
    let page =
        page.cut(items, &hub.mark(caller, &view), |last| last.agreement.code.as_str().to_owned());
    Ok((view.revision, page))
}

// === rows out ===

impl TryFrom<agreement::Model> for Agreement {
    type Error = Error;

    fn try_from(row: agreement::Model) -> Result<Self> {
        let agreement::Model {
            code,
            system_id,
            purpose,
            title,
            legal_basis,
            document_number,
            document_sha256,
            terms_json,
            valid_from,
            valid_until: valid_before,
            revoked_at,
            made_at,
            superseded_at: _,
        } = row;
        let bad = |_| Error::internal("the code of an agreement is bad");
        Ok(Self {
            code: Slug::parse(&code).map_err(bad)?,
            system_id,
            purpose,
            title,
            legal_basis,
            document: SignedDocument { number: document_number, sha256: document_sha256 },
            terms: serde_json::from_str(&terms_json).map_err(Error::internal)?,
            valid_from,
            valid_before,
            revoked_at,
            made_at,
        })
    }
}
