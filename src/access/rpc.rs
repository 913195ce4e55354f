//! `AccessService` on the wire: open, ask, answer.
mod agreements;
mod explain;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use tonic::Request;

use super::store;
use crate::{
    access::Access,
    access::queries::{
        GrantsUpdate, Issue, List, PutAgreement, Register, RevokeAgreement, RevokeKey, Switch,
        Update,
    },
    caller::System,
    caller::{Grants, Key, Pattern, SystemCode, credential::Credential},
    error::{Error, Reply, Result},
    hub::{BatchOptions, Hub},
    pb,
    revision::{ReferenceData, expected::Expected},
    time::Timestamp,
    wire::{Fields, check_text, done, fingerprint, open, reply},
};

/// The service.
#[derive(Clone, Debug)]
pub struct Rpc {
    /// The hub.
    pub hub: Arc<Hub>,
    /// What is kept to permit calls.
    pub access: Arc<Access>,
}

#[tonic::async_trait]
impl pb::access_service_server::AccessService for Rpc {
    async fn who_am_i(&self, req: Request<pb::WhoAmIRequest>) -> Reply<pb::WhoAmIResponse> {
        let (caller, WhoAmI) = open(req)?;
        let (listed, until) = store::who_am_i(&self.hub, &self.access, &caller).await?;
        let credential = Some((&caller.credential, until).into());
        reply(pb::WhoAmIResponse { system: Some(listed.into()), credential })
    }

    async fn register_system(
        &self,
        req: Request<pb::RegisterSystemRequest>,
    ) -> Reply<pb::RegisterSystemResponse> {
        let (caller, (ask, register)): (_, (BatchOptions, Register)) = open(req)?;
        let receipt = self.hub.write_one(&caller, ask, ReferenceData::Access, register).await?;
        done(pb::RegisterSystemResponse { receipt: Some(receipt.into()) })
    }

    async fn update_system(
        &self,
        req: Request<pb::UpdateSystemRequest>,
    ) -> Reply<pb::UpdateSystemResponse> {
        let (caller, (ask, update)): (_, (BatchOptions, Update)) = open(req)?;
        let receipt = self.hub.write_one(&caller, ask, ReferenceData::Access, update).await?;
        done(pb::UpdateSystemResponse { receipt: Some(receipt.into()) })
    }

    async fn list_systems(
        &self,
        req: Request<pb::ListSystemsRequest>,
    ) -> Reply<pb::ListSystemsResponse> {
        let (caller, list) = open(req)?;
        let (read_at, page) = store::list(&self.hub, &self.access, &caller, list).await?;
        reply(pb::ListSystemsResponse {
            read_at: Some(read_at.into()),
            systems: page.items.into_iter().map(Into::into).collect(),
            next_page_token: page.next,
        })
    }

    async fn disable_system(
        &self,
        req: Request<pb::DisableSystemRequest>,
    ) -> Reply<pb::DisableSystemResponse> {
        let (caller, (ask, disable)): (_, (BatchOptions, Switch)) = open(req)?;
        let receipt = self.hub.write_one(&caller, ask, ReferenceData::Access, disable).await?;
        done(pb::DisableSystemResponse { receipt: Some(receipt.into()) })
    }

    async fn enable_system(
        &self,
        req: Request<pb::EnableSystemRequest>,
    ) -> Reply<pb::EnableSystemResponse> {
        let (caller, (ask, enable)): (_, (BatchOptions, Switch)) = open(req)?;
        let receipt = self.hub.write_one(&caller, ask, ReferenceData::Access, enable).await?;
        done(pb::EnableSystemResponse { receipt: Some(receipt.into()) })
    }

    async fn issue_key(&self, req: Request<pb::IssueKeyRequest>) -> Reply<pb::IssueKeyResponse> {
        let (caller, (ask, issue)): (_, (BatchOptions, Issue)) = open(req)?;
        let (key, issued, revision) = store::issue(&self.hub, &caller, ask, issue).await?;
        let (issued, revision) = (Some(issued.into()), Some(revision.into()));
        done(pb::IssueKeyResponse { key, issued, revision })
    }

    async fn revoke_key(&self, req: Request<pb::RevokeKeyRequest>) -> Reply<pb::RevokeKeyResponse> {
        let (caller, (ask, revoke)): (_, (BatchOptions, RevokeKey)) = open(req)?;
        let receipt = self.hub.write_one(&caller, ask, ReferenceData::Access, revoke).await?;
        done(pb::RevokeKeyResponse { receipt: Some(receipt.into()) })
    }

    async fn grant_agreement(
        &self,
        req: Request<pb::GrantAgreementRequest>,
    ) -> Reply<pb::GrantAgreementResponse> {
        let (caller, (ask, put)): (_, (BatchOptions, PutAgreement)) = open(req)?;
        let (receipt, before, after) =
            store::agreements::grant(&self.hub, &caller, ask, put).await?;
        let (before, after) = (before.map(Into::into), Some(after.into()));
        done(pb::GrantAgreementResponse { receipt: Some(receipt.into()), before, after })
    }

    async fn revoke_agreement(
        &self,
        req: Request<pb::RevokeAgreementRequest>,
    ) -> Reply<pb::RevokeAgreementResponse> {
        let (caller, (ask, revoke)): (_, (BatchOptions, RevokeAgreement)) = open(req)?;
        let receipt = self.hub.write_one(&caller, ask, ReferenceData::Access, revoke).await?;
        done(pb::RevokeAgreementResponse { receipt: Some(receipt.into()) })
    }

    async fn explain_access(
        &self,
        req: Request<pb::ExplainAccessRequest>,
    ) -> Reply<pb::ExplainAccessResponse> {
        let (caller, asked) = open(req)?;
        reply(self.access.explain(&self.hub, &caller, asked).await?.into())
    }

    async fn list_agreements(
        &self,
        req: Request<pb::ListAgreementsRequest>,
    ) -> Reply<pb::ListAgreementsResponse> {
        let (caller, list) = open(req)?;
        let (read_at, page) = store::agreements::list(&self.hub, &caller, list).await?;
        reply(pb::ListAgreementsResponse {
            read_at: Some(read_at.into()),
            agreements: page.items.into_iter().map(Into::into).collect(),
            next_page_token: page.next,
        })
    }
}

// === words in ===

/// The request of `WhoAmI` has no fields.
struct WhoAmI;

impl TryFrom<pb::WhoAmIRequest> for WhoAmI {
    type Error = Error;

    fn try_from(pb::WhoAmIRequest {}: pb::WhoAmIRequest) -> Result<Self> {
        Ok(Self)
    }
}

impl TryFrom<pb::RegisterSystemRequest> for (BatchOptions, Register) {
    type Error = Error;

    fn try_from(msg: pb::RegisterSystemRequest) -> Result<Self> {
        let fingerprint = fingerprint("RegisterSystem", &msg);
        let pb::RegisterSystemRequest { request_id, code, name, grants, statuses } = msg;
        let mut fields = Fields::default();
        let request_id = fields.request_id(request_id);
        let code = fields.read("code", SystemCode::parse(&code));
        let name = fields.some_text("name", name, 200);
        let grants = fields.within("grants", |it| read_grants(it, grants.unwrap_or_default()));
        let statuses = read_statuses(&mut fields, statuses);
        fields.done(|| {
            let ask = BatchOptions::whole(request_id?, fingerprint, false, "");
            Some((ask, Register { code: code?, name: name?, grants: grants?, statuses: statuses? }))
        })
    }
}

fn read_grants(fields: &mut Fields, grants: pb::Grants) -> Option<Grants> {
    let pb::Grants { administrator, publish_units, define_indicators, define_procedures, auditor } =
        grants;
    let define_indicators = patterns(fields, "define_indicators", &define_indicators);
    Some(Grants {
        administrator,
        publish_units,
        define_indicators: define_indicators?,
        define_procedures,
        auditor,
    })
}

fn patterns(fields: &mut Fields, field: &str, texts: &[String]) -> Option<Vec<Pattern>> {
    fields.at_most(field, texts.len(), 1_000)?;
    let read = texts.iter().enumerate();
    let read = read.map(|(i, it)| fields.read(&format!("{field}[{i}]"), Pattern::parse(it)));
    read.collect::<Vec<_>>().into_iter().collect()
}

fn read_statuses(
    fields: &mut Fields,
    statuses: Vec<pb::StatusMapping>,
) -> Option<BTreeMap<String, i32>> {
    fields.at_most("statuses", statuses.len(), 200)?;
    let mut read = BTreeMap::new();
    for (i, pb::StatusMapping { source_status, state }) in statuses.into_iter().enumerate() {
        fields.within(&format!("statuses[{i}]"), |fields| {
            let code = fields.some_text("source_status", source_status, 64)?;
            if !(1..=10).contains(&state) {
                fields.refuse("state", "be one of the ten national states");
            } else if read.insert(code, state).is_some() {
                fields.refuse("source_status", "not be listed twice");
            }
            Some(())
        });
    }
    Some(read)
}

impl TryFrom<pb::ListSystemsRequest> for List {
    type Error = Error;

    fn try_from(mut msg: pb::ListSystemsRequest) -> Result<Self> {
        let page = msg.page.take();
        let mut fields = Fields::default();
        let page = fields.page(page, "ListSystems", &msg);
        let pb::ListSystemsRequest { page: _, consistency } = msg;
        let consistency = fields.consistency(consistency);
        fields.done(|| Some(Self { page: page?, consistency: consistency? }))
    }
}

impl TryFrom<pb::UpdateSystemRequest> for (BatchOptions, Update) {
    type Error = Error;

    fn try_from(msg: pb::UpdateSystemRequest) -> Result<Self> {
        let fingerprint = fingerprint("UpdateSystem", &msg);
        let pb::UpdateSystemRequest { request_id, system, update_mask, expected_revision } = msg;
        let mut fields = Fields::default();
        let request_id = fields.request_id(request_id);
        let paths = update_mask.unwrap_or_default().paths;
        let mask = read_mask(&mut fields, &paths);
        let expected = fields.expected_revision(expected_revision);
        let update = fields.within("system", |fields| {
            read_update(fields, system.unwrap_or_default(), &mask, expected)
        });
        fields.done(|| Some((BatchOptions::whole(request_id?, fingerprint, false, ""), update?)))
    }
}

/// What of a system can be changed, by its paths in a mask; `grants` stands for all of its fields.
const CHANGEABLE: [&str; 7] = [
    "name",
    "grants.administrator",
    "grants.publish_units",
    "grants.define_indicators",
    "grants.define_procedures",
    "grants.auditor",
    "statuses",
];

fn read_mask(fields: &mut Fields, paths: &[String]) -> BTreeSet<&'static str> {
    let mut mask = BTreeSet::new();
    if paths.is_empty() {
        fields.refuse("update_mask", "name the fields that are to change");
    }
    for path in paths {
        let below = |it: &&str| *it == path || (path == "grants" && it.starts_with("grants."));
        let named: Vec<_> = CHANGEABLE.into_iter().filter(below).collect();
        if named.is_empty() {
            let known = "name only `name`, `grants`, a field of `grants`, and `statuses`";
            // Told as it was sent, unless it is long.
            let shown: String = path.chars().take(100).collect();
            fields.refuse("update_mask", format!("{known}, not {shown:?}"));
            return mask;
        }
        mask.extend(named);
    }
    mask
}

/// Reads the fields that the mask names; the others are not looked at.
fn read_update(
    fields: &mut Fields,
    system: pb::RegisteredSystem,
    mask: &BTreeSet<&str>,
    expected: Option<Expected>,
) -> Option<Update> {
    let pb::RegisteredSystem { code, name, grants, statuses, disabled: _, keys: _, revision: _ } =
        system;
    let has = |path: &str| mask.contains(path);
    let code = fields.read("code", SystemCode::parse(&code));
    let name = match has("name") {
        true => fields.some_text("name", name, 200).map(Some),
        false => Some(None),
    };
    let pb::Grants { administrator, publish_units, define_indicators, define_procedures, auditor } =
        grants.unwrap_or_default();
    let define_indicators = match has("grants.define_indicators") {
        true => fields
            .within("grants", |it| patterns(it, "define_indicators", &define_indicators))
            .map(Some),
        false => Some(None),
    };
    let statuses = match has("statuses") {
        true => read_statuses(fields, statuses).map(Some),
        false => Some(None),
    };
    let grants = GrantsUpdate {
        administrator: has("grants.administrator").then_some(administrator),
        publish_units: has("grants.publish_units").then_some(publish_units),
        define_indicators: define_indicators?,
        define_procedures: has("grants.define_procedures").then_some(define_procedures),
        auditor: has("grants.auditor").then_some(auditor),
    };
    let (name, statuses, expected) = (name?, statuses?, expected?);
    Some(Update { code: code?, name, grants, statuses, expected })
}

impl TryFrom<pb::EnableSystemRequest> for (BatchOptions, Switch) {
    type Error = Error;

    fn try_from(msg: pb::EnableSystemRequest) -> Result<Self> {
        let fingerprint = fingerprint("EnableSystem", &msg);
        let pb::EnableSystemRequest { request_id, code } = msg;
        let mut fields = Fields::default();
        let request_id = fields.request_id(request_id);
        let code = fields.read("code", SystemCode::parse(&code));
        fields.done(|| {
            let ask = BatchOptions::whole(request_id?, fingerprint, false, "");
            Some((ask, Switch { code: code?, disabled: false }))
        })
    }
}

impl TryFrom<pb::DisableSystemRequest> for (BatchOptions, Switch) {
    type Error = Error;

    fn try_from(msg: pb::DisableSystemRequest) -> Result<Self> {
        let fingerprint = fingerprint("DisableSystem", &msg);
        let pb::DisableSystemRequest { request_id, code } = msg;
        let mut fields = Fields::default();
        let request_id = fields.request_id(request_id);
        let code = fields.read("code", SystemCode::parse(&code));
        fields.done(|| {
            let ask = BatchOptions::whole(request_id?, fingerprint, false, "");
            Some((ask, Switch { code: code?, disabled: true }))
        })
    }
}

impl TryFrom<pb::IssueKeyRequest> for (BatchOptions, Issue) {
    type Error = Error;

    fn try_from(msg: pb::IssueKeyRequest) -> Result<Self> {
        let fingerprint = fingerprint("IssueKey", &msg);
        let pb::IssueKeyRequest { request_id, system, expires_at } = msg;
        let mut fields = Fields::default();
        let request_id = fields.request_id(request_id);
        let system = fields.read("system", SystemCode::parse(&system));
        let expires_at = fields.instant("expires_at", expires_at);
        fields.done(|| {
            let ask = BatchOptions::whole(request_id?, fingerprint, false, "");
            Some((ask, Issue { system: system?, expires_at: expires_at? }))
        })
    }
}

impl TryFrom<pb::RevokeKeyRequest> for (BatchOptions, RevokeKey) {
    type Error = Error;

    fn try_from(msg: pb::RevokeKeyRequest) -> Result<Self> {
        let fingerprint = fingerprint("RevokeKey", &msg);
        let pb::RevokeKeyRequest { request_id, key_id } = msg;
        let mut fields = Fields::default();
        let request_id = fields.request_id(request_id);
        let key_id = fields.read("key_id", check_text(&key_id, 64).map(|()| key_id));
        fields.done(|| {
            let ask = BatchOptions::whole(request_id?, fingerprint, false, "");
            Some((ask, RevokeKey(key_id?)))
        })
    }
}

// === rows out ===

impl From<store::ListedSystem> for pb::RegisteredSystem {
    fn from((system, keys): store::ListedSystem) -> Self {
        let System { code, name, grants, statuses, disabled, made_at } =
            Arc::unwrap_or_clone(system);
        let statuses = statuses
            .into_iter()
            .map(|(source_status, state)| pb::StatusMapping { source_status, state })
            .collect();
        Self {
            code: code.as_str().to_owned(),
            name,
            grants: Some(grants.into()),
            statuses,
            disabled,
            keys: keys.into_iter().map(Into::into).collect(),
            revision: made_at,
        }
    }
}

impl From<Grants> for pb::Grants {
    fn from(grants: Grants) -> Self {
        let Grants { administrator, publish_units, define_indicators, define_procedures, auditor } =
            grants;
        let texts = |it: Vec<Pattern>| it.iter().map(|it| it.as_str().to_owned()).collect();
        Self {
            administrator,
            publish_units,
            define_indicators: texts(define_indicators),
            define_procedures,
            auditor,
        }
    }
}

impl From<(&Credential, Option<Timestamp>)> for pb::CallerCredential {
    fn from((credential, until): (&Credential, Option<Timestamp>)) -> Self {
        let kind = match credential {
            Credential::Internal => pb::CredentialKind::Unspecified,
            Credential::Key(_) => pb::CredentialKind::Key,
            Credential::Certificate(_) => pb::CredentialKind::Certificate,
            Credential::Token(_) => pb::CredentialKind::Token,
        };
        Self {
            kind: kind.into(),
            id: credential.id().to_owned(),
            expires_at: until.map(Into::into),
        }
    }
}

impl From<Key> for pb::SystemKey {
    fn from(key: Key) -> Self {
        store::Used { key, last: None }.into()
    }
}

impl From<store::Used> for pb::SystemKey {
    fn from(store::Used { key, last }: store::Used) -> Self {
        let Key { id, system_id: _, hash: _, issued_at, expires_at, revoked_at } = key;
        Self {
            id,
            issued_at: Some(issued_at.into()),
            expires_at: Some(expires_at.into()),
            revoked_at: revoked_at.map(Into::into),
            last_used_at: last.map(Into::into),
        }
    }
}
