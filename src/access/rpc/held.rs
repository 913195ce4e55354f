//! Held changes on the wire: their words in, their rows out.
use std::sync::Arc;

use prost::Message;

use crate::{
    access::queries::{Decision, ListHeldChanges},
    caller::{Caller, directory::Directory},
    dossier::queries::Define,
    error::{Error, Result},
    hub::{
        BatchOptions, Hub,
        held::{Approve, Refuse},
        row::held_change::{HeldKind, HeldState, Model},
        store::held,
    },
    pb,
    revision::receipt::Receipt,
    unit,
    wire::Fields,
};

/// The longest reason of a decision, in characters.
const LONGEST: usize = 500;

/// Makes a change that waits, as it was asked for.
pub(super) async fn approve(
    hub: &Arc<Hub>,
    caller: &Caller,
    request_id: Option<String>,
    decision: Decision,
) -> Result<Receipt> {
    let Decision { id, reason } = decision;
    let change = held::find(hub.db.read(), id).await?;
    let bytes = change.request.as_slice();
    match change.kind {
        HeldKind::Units => {
            let msg = pb::PublishUnitsRequest::decode(bytes).map_err(Error::internal)?;
            let (ask, op): (_, unit::Publish) = msg.try_into()?;
            let ask = BatchOptions { request_id, ..ask };
            hub.write_batch(caller, ask, Approve { op, id, reason }).await
        }
        HeldKind::Procedures => {
            let msg = pb::DefineProceduresRequest::decode(bytes).map_err(Error::internal)?;
            let (ask, op): (_, Define) = msg.try_into()?;
            let ask = BatchOptions { request_id, ..ask };
            hub.write_batch(caller, ask, Approve { op, id, reason }).await
        }
    }
}

// === words in ===

impl TryFrom<pb::ListHeldChangesRequest> for ListHeldChanges {
    type Error = Error;

    fn try_from(mut msg: pb::ListHeldChangesRequest) -> Result<Self> {
        let page = msg.page.take();
        let mut fields = Fields::default();
        let page = fields.page(page, "ListHeldChanges", &msg);
        let pb::ListHeldChangesRequest { state, page: _ } = msg;
        let state = fields.maybe_word("state", state, HeldState::of);
        fields.done(|| Some(Self { state: state?, page: page? }))
    }
}

impl TryFrom<pb::ApproveHeldChangeRequest> for (Option<String>, Decision) {
    type Error = Error;

    fn try_from(msg: pb::ApproveHeldChangeRequest) -> Result<Self> {
        let pb::ApproveHeldChangeRequest { request_id, id, reason } = msg;
        let mut fields = Fields::default();
        let request_id = fields.request_id(request_id);
        let reason = fields.some_text("reason", reason, LONGEST);
        fields.done(|| Some((request_id?, Decision { id, reason: reason? })))
    }
}

impl TryFrom<pb::RefuseHeldChangeRequest> for Refuse {
    type Error = Error;

    fn try_from(msg: pb::RefuseHeldChangeRequest) -> Result<Self> {
        let pb::RefuseHeldChangeRequest { id, reason } = msg;
        let mut fields = Fields::default();
        let reason = fields.some_text("reason", reason, LONGEST);
        fields.done(|| Some(Self { id, reason: reason? }))
    }
}

// === rows out ===

/// A held change as it is told.
pub(super) fn told(change: Model, directory: &Directory) -> Result<pb::HeldChange> {
    use pb::held_change::Request;
    let Model {
        id,
        system_id,
        kind,
        request,
        opens,
        held_at,
        state,
        decided_by,
        decided_at,
        reason,
    } = change;
    let bytes = request.as_slice();
    let request = match kind {
        HeldKind::Units => pb::PublishUnitsRequest::decode(bytes).map(Request::Units),
        HeldKind::Procedures => pb::DefineProceduresRequest::decode(bytes).map(Request::Procedures),
    };
    Ok(pb::HeldChange {
        id,
        system: directory.code_of(system_id),
        opens: serde_json::from_str(&opens).map_err(Error::internal)?,
        held_at: Some(held_at.into()),
        state: state.number(),
        decided_by: decided_by.map_or_else(String::new, |it| directory.code_of(it)),
        decided_at: decided_at.map(Into::into),
        reason,
        request: Some(request.map_err(Error::internal)?),
    })
}
