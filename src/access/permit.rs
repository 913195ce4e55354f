//! Permits calls: finds a caller's rights once per call, and again for each step of a stream and for each write.
use std::{
    any::Any,
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use futures_util::{FutureExt, future::BoxFuture};

use super::Access;
use crate::{
    caller::{
        Caller,
        agreement::{Agreement, Operation, Right, Rights, Terms, not_covered, purpose},
        directory::Directory,
        policy::{self, Kind, PersonalData, Policy, Search, followed_by},
        scope::UnitScope,
    },
    dossier::catalogue::Catalogue,
    error::{Error, Reason, Result},
    hub::{Gate, Hub, reference::At},
    revision::{ReferenceData, View, write::Write},
    slug::Slug,
    time::Timestamp,
    unit::{Tree, forest::Forest},
};

/// The units and procedures inside an agreement, at one state of the reference data; all where there is no list.
#[derive(Clone, Debug)]
pub struct Scope {
    /// Units, and on which days.
    pub units: Option<Arc<UnitScope>>,
    /// Procedures.
    pub procedures: Option<Arc<BTreeSet<i64>>>,
}

impl Scope {
    /// Of these terms.
    pub fn of(terms: &Terms, forest: &Forest, catalogue: &Catalogue) -> Self {
        use crate::caller::agreement::Dataset;
        let tree = terms.tree.unwrap_or(Tree::Administration);
        let units =
            (!terms.units.is_empty()).then(|| forest.inside(terms.units.iter().copied(), tree));
        let procedures = match &terms.dataset {
            Dataset::Dossiers { fields, procedures }
                if !fields.is_empty() || !procedures.is_empty() =>
            {
                let is_inside = |it: &&crate::dossier::Procedure| {
                    procedures.contains(it.code.as_str()) || fields.contains(&it.field_code)
                };
                Some(catalogue.ever().filter(is_inside).map(|it| it.id).collect())
            }
            Dataset::Dossiers { .. } | Dataset::Indicators(_) => None,
        };
        Self { units: units.map(Arc::new), procedures: procedures.map(Arc::new) }
    }
}

/// An agreement's code and version, and the states of units and procedures.
type ScopeKey = (String, i64, i64, i64);

/// Scopes that were worked out before.
#[derive(Debug, Default)]
pub(super) struct Scopes(Mutex<HashMap<ScopeKey, Scope>>);

/// Scopes that are kept; above it, all are worked out anew.
const MOST_SCOPES: usize = 1_000;

impl Access {
    /// Lets an identified caller call a method for a purpose, or refuses it: everything that is not allowed is.
    pub async fn permit(
        &self,
        hub: &Hub,
        caller: Caller,
        path: &str,
        purpose_named: Option<&str>,
    ) -> Result<Caller> {
        let unknown = || Error::new(Reason::MethodUnknown, "the hub has no such method");
        let policy = policy::of(path).ok_or_else(unknown)?;
        let purpose = purpose_named.map(purpose).transpose()?;
        let caller = Caller { policy, purpose, ..caller };
        caller.trail.asks(caller.purpose.as_ref().map(Slug::as_str));
        let rights = self.rights(hub, &caller, &hub.revisions.latest()).await?;
        let caller = Caller { rights, ..caller };
        let codes: Vec<_> = caller.rights.all().map(|it| it.agreement.code.as_str()).collect();
        let tier = caller.rights.dossiers.as_ref().map(|_| caller.tier());
        caller.trail.may(codes.join(", "), tier);
        self.meter.charge(&caller.rights).await?;
        Ok(caller)
    }

    /// The rights that answer a call, or why it is refused.
    pub(super) async fn rights(&self, hub: &Hub, caller: &Caller, view: &View) -> Result<Rights> {
        let search = search(caller, hub.db.clock());
        let mut rights = Rights::default();
        match caller.policy {
            Policy::Identified => {}
            Policy::Grant(grant) => grant.must_be_held(caller.grants())?,
            Policy::Data(kind, operations, personal) => {
                let found = search.find(kind, operations, personal)?;
                rights = one(kind, self.right(hub, At::View(view), found).await?);
            }
            Policy::Feed => {
                for kind in [Kind::Indicators, Kind::Dossiers] {
                    let found = search.find(kind, followed_by(kind), PersonalData::AsAgreed);
                    match found {
                        Ok(found) => {
                            let right = Some(self.right(hub, At::View(view), found).await?);
                            set(&mut rights, kind, right);
                        }
                        // It is left out; what several agreements could answer is not.
                        Err(err) if err.reason() == Reason::NotPermitted => {}
                        Err(err) => return Err(err),
                    }
                }
            }
        }
        Ok(rights)
    }

    async fn renewed(&self, hub: &Hub, at: At<'_>, caller: &Caller) -> Result<Caller> {
        // The hub itself is in no directory.
        if caller.system_id == 0 {
            return Ok(caller.clone());
        }
        let (now, directory) = (hub.db.clock(), hub.reference::<Directory>(at).await?);
        let system = directory.again(caller.system_id, &caller.credential, now);
        let refused = || Error::new(Reason::CallerUnknown, "the credential is no longer accepted");
        let system = Arc::clone(system.ok_or_else(refused)?);
        let agreements = directory.agreements_of(caller.system_id);
        let renewed = Caller { system, agreements, ..caller.clone() };
        let search = search(&renewed, now);
        let mut rights = Rights::default();
        match renewed.policy {
            Policy::Identified => {}
            Policy::Grant(grant) => grant.must_be_held(renewed.grants())?,
            Policy::Data(kind, operations, personal) => {
                let had = caller.rights.of(kind);
                let operation = operations.first().copied().unwrap_or(Operation::Read);
                let refused = || not_covered(operation, kind, caller.purpose.as_ref());
                let found = had.and_then(|it| still(&search, it, personal)).ok_or_else(refused)?;
                rights = one(kind, self.right(hub, at, found).await?);
            }
            Policy::Feed => {
                for kind in [Kind::Indicators, Kind::Dossiers] {
                    // One that is gone is not replaced by another: that would be another watch.
                    let found = match caller.rights.of(kind) {
                        Some(had) => still(&search, had, PersonalData::AsAgreed),
                        None => search.find(kind, followed_by(kind), PersonalData::AsAgreed).ok(),
                    };
                    if let Some(found) = found {
                        set(&mut rights, kind, Some(self.right(hub, at, found).await?));
                    }
                }
            }
        }
        Ok(Caller { rights, ..renewed })
    }

    /// A right by an agreement, with what is inside of it.
    async fn right(
        &self,
        hub: &Hub,
        at: At<'_>,
        found: (Arc<Agreement>, Operation),
    ) -> Result<Right> {
        let (agreement, operation) = found;
        let Scope { units, procedures } = self.scope(hub, at, &agreement).await?;
        Ok(Right { agreement, operation, units, procedures })
    }

    pub(super) async fn scope(
        &self,
        hub: &Hub,
        at: At<'_>,
        agreement: &Agreement,
    ) -> Result<Scope> {
        use ReferenceData::{Access, Procedures, Units};
        let code = agreement.code.as_str().to_owned();
        let key = (code, agreement.made_at, at.touched(Units), at.touched(Procedures));
        let is_kept = [Access, Units, Procedures].into_iter().all(|it| at.is_committed(it));
        if is_kept && let Some(scope) = self.scopes.get(&key) {
            return Ok(scope);
        }
        let forest = hub.reference::<Forest>(at).await?;
        let catalogue = hub.reference::<Catalogue>(at).await?;
        let scope = Scope::of(&agreement.terms, &forest, &catalogue);
        if is_kept {
            self.scopes.keep(key, scope.clone());
        }
        Ok(scope)
    }
}

impl Gate for Access {
    fn renew<'a>(
        &'a self,
        hub: &'a Hub,
        at: At<'a>,
        caller: &'a Caller,
    ) -> BoxFuture<'a, Result<Caller>> {
        self.renewed(hub, at, caller).boxed()
    }

    fn widened<'a>(
        &'a self,
        hub: &'a Hub,
        write: &'a Write,
        by: &'a Caller,
        after: &'a (dyn Any + Send + Sync),
    ) -> BoxFuture<'a, Result<Vec<String>>> {
        self.widened_by(hub, write, by, after).boxed()
    }
}

impl Scopes {
    fn get(&self, key: &ScopeKey) -> Option<Scope> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    fn keep(&self, key: ScopeKey, scope: Scope) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MOST_SCOPES {
            kept.clear();
        }
        kept.insert(key, scope);
    }
}

fn search(caller: &Caller, at: Timestamp) -> Search<'_> {
    let certified = caller.credential.is_certificate();
    Search { agreements: &caller.agreements, purpose: caller.purpose.as_ref(), at, certified }
}

/// The agreement of a right as it stands now, if it still covers what it was found for.
fn still(
    search: &Search<'_>,
    had: &Right,
    personal: PersonalData,
) -> Option<(Arc<Agreement>, Operation)> {
    let kind = had.agreement.terms.dataset.kind();
    let now = search.agreements.iter().find(|it| it.code == had.agreement.code)?;
    let holds = now.lives(search.at) && now.covers(had.operation, kind);
    let same_purpose = now.purpose == had.agreement.purpose;
    let may_show = search.may_show(now, personal).is_ok();
    (holds && same_purpose && may_show).then(|| (Arc::clone(now), had.operation))
}

fn one(kind: Kind, right: Right) -> Rights {
    let mut rights = Rights::default();
    set(&mut rights, kind, Some(right));
    rights
}

fn set(rights: &mut Rights, kind: Kind, right: Option<Right>) {
    match kind {
        Kind::Indicators => rights.indicators = right,
        Kind::Dossiers => rights.dossiers = right,
    }
}
