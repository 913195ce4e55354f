//! `AuditService` on the wire: open, ask, answer.
use std::sync::Arc;

use prost::Message;
use tonic::Request;

use super::{Inclusion, List, ListAccess, LogConsistency, Subject, store};
use crate::{
    dossier::rpc::questions::read_sought,
    error::{Error, Reply, Result},
    hub::Hub,
    log::store::{long, newest},
    pb,
    wire::{Fields, open, reply},
};

/// The service.
#[derive(Clone, Debug)]
pub struct Rpc {
    /// The hub.
    pub hub: Arc<Hub>,
}

#[tonic::async_trait]
impl pb::audit_service_server::AuditService for Rpc {
    async fn list_records(
        &self,
        req: Request<pb::ListRecordsRequest>,
    ) -> Reply<pb::ListRecordsResponse> {
        let (caller, list) = open(req)?;
        let (size, page) = store::list(&self.hub, &caller, list).await?;
        reply(pb::ListRecordsResponse {
            records: decoded(page.items)?,
            size: long(size),
            next_page_token: page.next,
        })
    }

    async fn get_checkpoint(
        &self,
        req: Request<pb::GetCheckpointRequest>,
    ) -> Reply<pb::GetCheckpointResponse> {
        let (_, GetCheckpoint) = open(req)?;
        let checkpoint = newest(self.hub.db.read()).await?;
        let checkpoint = checkpoint.ok_or_else(|| Error::not_found("checkpoint", "newest"))?;
        let public_key = self.hub.audit.key().public().to_string();
        reply(pb::GetCheckpointResponse { checkpoint, public_key })
    }

    async fn prove_inclusion(
        &self,
        req: Request<pb::ProveInclusionRequest>,
    ) -> Reply<pb::ProveInclusionResponse> {
        let (caller, asked) = open(req)?;
        let store::proof::Included { record, index, size, path, root } =
            store::proof::inclusion(&self.hub, &caller, asked).await?;
        reply(pb::ProveInclusionResponse {
            record,
            leaf_index: long(index),
            size: long(size),
            path: path.iter().map(|it| it.to_vec()).collect(),
            root: root.to_vec(),
        })
    }

    async fn prove_consistency(
        &self,
        req: Request<pb::ProveConsistencyRequest>,
    ) -> Reply<pb::ProveConsistencyResponse> {
        let (_, asked) = open(req)?;
        let store::proof::Consistent { sizes: (first, second), path, roots } =
            store::proof::consistency(&self.hub, asked).await?;
        reply(pb::ProveConsistencyResponse {
            first: long(first),
            second: long(second),
            path: path.iter().map(|it| it.to_vec()).collect(),
            first_root: roots.0.to_vec(),
            second_root: roots.1.to_vec(),
        })
    }

    async fn list_access_to_subject(
        &self,
        req: Request<pb::ListAccessToSubjectRequest>,
    ) -> Reply<pb::ListAccessToSubjectResponse> {
        let (caller, list) = open(req)?;
        let page = store::list_access(&self.hub, &caller, list).await?;
        let records = decoded(page.items)?;
        reply(pb::ListAccessToSubjectResponse { records, next_page_token: page.next })
    }
}

// === words in ===

/// Asks for the newest checkpoint.
struct GetCheckpoint;

impl TryFrom<pb::GetCheckpointRequest> for GetCheckpoint {
    type Error = Error;

    fn try_from(pb::GetCheckpointRequest {}: pb::GetCheckpointRequest) -> Result<Self> {
        Ok(Self)
    }
}

impl TryFrom<pb::ListRecordsRequest> for List {
    type Error = Error;

    fn try_from(mut msg: pb::ListRecordsRequest) -> Result<Self> {
        let page = msg.page.take();
        let mut fields = Fields::default();
        let page = fields.page(page, "ListRecords", &msg);
        let pb::ListRecordsRequest {
            page: _,
            system,
            method,
            written_from,
            written_before,
            personal_data,
            refused,
        } = msg;
        let some = |it: String| Some(it).filter(|it| !it.is_empty());
        let system = fields.text("system", system, 64).map(some);
        let method = fields.text("method", method, 128).map(some);
        let written_from = fields.instant("written_from", written_from);
        let written_before = fields.instant("written_before", written_before);
        fields.in_order(("written_from", written_from), ("written_before", written_before));
        fields.done(|| {
            Some(Self {
                page: page?,
                system: system?,
                method: method?,
                written_from: written_from?,
                written_before: written_before?,
                personal: personal_data,
                refused,
            })
        })
    }
}

impl TryFrom<pb::ProveInclusionRequest> for Inclusion {
    type Error = Error;

    fn try_from(
        pb::ProveInclusionRequest { seq, size }: pb::ProveInclusionRequest,
    ) -> Result<Self> {
        let mut fields = Fields::default();
        if seq < 1 {
            fields.refuse("seq", "be 1 or more");
        }
        let size = fields.read("size", u64::try_from(size).map_err(|_| "not be negative"));
        fields.done(|| Some(Self { seq, size: size? }))
    }
}

impl TryFrom<pb::ProveConsistencyRequest> for LogConsistency {
    type Error = Error;

    fn try_from(msg: pb::ProveConsistencyRequest) -> Result<Self> {
        let pb::ProveConsistencyRequest { first, second } = msg;
        let mut fields = Fields::default();
        if first < 1 {
            fields.refuse("first", "be 1 or more");
        } else if second > 0 && second < first {
            fields.refuse("second", "be no smaller than `first`, or 0");
        }
        let second = fields.read("second", u64::try_from(second).map_err(|_| "not be negative"));
        fields.done(|| Some(Self { first: first.unsigned_abs(), second: second? }))
    }
}

impl TryFrom<pb::ListAccessToSubjectRequest> for ListAccess {
    type Error = Error;

    fn try_from(mut msg: pb::ListAccessToSubjectRequest) -> Result<Self> {
        let page = msg.page.take();
        let mut fields = Fields::default();
        let page = fields.page(page, "ListAccessToSubject", &msg);
        let pb::ListAccessToSubjectRequest { dossier, page: _, applicant } = msg;
        let subject = match applicant {
            Some(_) if !dossier.is_empty() => {
                fields.refuse("dossier", "be empty when `applicant` is given");
                None
            }
            Some(it) => {
                fields.within("applicant", |fields| read_sought(fields, it)).map(Subject::Applicant)
            }
            None => fields.some_text("dossier", dossier, 64).map(Subject::Dossier),
        };
        fields.done(|| Some(Self { subject: subject?, page: page? }))
    }
}

// === rows out ===

fn decoded(bodies: Vec<Vec<u8>>) -> Result<Vec<pb::AuditRecord>> {
    let decode = |it: Vec<u8>| pb::AuditRecord::decode(it.as_slice()).map_err(Error::internal);
    bodies.into_iter().map(decode).collect()
}
