//! `AccessService` on the wire: open, ask, answer.
mod agreements;
mod explain;
mod held;
mod systems;

use std::sync::Arc;

use tonic::Request;

use super::store;
use crate::{
    access::Access,
    access::queries::{
        Issue, List, PutAgreement, Register, RevokeAgreement, RevokeKey, Switch, Update,
    },
    caller::System,
    caller::{Grants, Key, Pattern, SystemCode, credential::Credential},
    error::{Error, Reply, Result},
    hub::{BatchOptions, Hub, held::Refuse},
    pb,
    revision::ReferenceData,
    time::Timestamp,
    wire::{Fields, check_text, done, fingerprint, open, reply},
};

/// The service.
#[derive(Clone, Debug)]
pub struct Rpc {
    /// The hub.
    pub hub: Arc<Hub>,
    /// State that permits calls.
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

    async fn list_held_changes(
        &self,
        req: Request<pb::ListHeldChangesRequest>,
    ) -> Reply<pb::ListHeldChangesResponse> {
        let (caller, list) = open(req)?;
        let (read_at, page, directory) = store::held::list(&self.hub, &caller, list).await?;
        let changes = page.items.into_iter().map(|it| held::told(it, &directory));
        reply(pb::ListHeldChangesResponse {
            read_at: Some(read_at.into()),
            changes: changes.collect::<Result<_>>()?,
            next_page_token: page.next,
        })
    }

    async fn approve_held_change(
        &self,
        req: Request<pb::ApproveHeldChangeRequest>,
    ) -> Reply<pb::ApproveHeldChangeResponse> {
        let (caller, (request_id, decision)) = open(req)?;
        let receipt = held::approve(&self.hub, &caller, request_id, decision).await?;
        done(pb::ApproveHeldChangeResponse { receipt: Some(receipt.into()) })
    }

    async fn refuse_held_change(
        &self,
        req: Request<pb::RefuseHeldChangeRequest>,
    ) -> Reply<pb::RefuseHeldChangeResponse> {
        let (caller, refuse): (_, Refuse) = open(req)?;
        let (change, directory) = store::held::refuse(&self.hub, &caller, refuse).await?;
        done(pb::RefuseHeldChangeResponse { change: Some(held::told(change, &directory)?) })
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
    fn from(store::ListedSystem { system, agency, keys }: store::ListedSystem) -> Self {
        let System { code, name, grants, statuses, agency_unit_id, contact, disabled, made_at } =
            Arc::unwrap_or_clone(system);
        let by_id = |id| pb::UnitRef { r#ref: Some(pb::unit_ref::Ref::Id(id)) };
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
            agency_unit: agency_unit_id.map(by_id),
            contact,
            agency: agency.map(Into::into),
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
