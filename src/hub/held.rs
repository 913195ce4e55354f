//! Holds changes of reference data that would open more to a living agreement, until an administrator decides.
use std::{any::Any, sync::Arc};

use prost::Message;

use super::{BatchOptions, BatchOutcome, Hub, WriteOp, reference::Reference, store::held};
use crate::{
    caller::Caller,
    error::{Error, Reason, Result},
    hub::row::held_change::{HeldKind, HeldState},
    revision::{
        receipt::Receipt,
        write::{Done, Effect, Write},
    },
};

/// What stands between two openings in a refusal.
const BETWEEN: &str = "; ";

/// A request as it came, should it have to wait.
#[derive(Clone, Debug)]
pub struct HeldRequest {
    /// What it changes.
    pub kind: HeldKind,
    /// Its message.
    pub bytes: Vec<u8>,
}

impl HeldRequest {
    /// As it came.
    pub fn of(kind: HeldKind, message: &impl Message) -> Self {
        Self { kind, bytes: message.encode_to_vec() }
    }
}

impl Hub {
    /// Refuses a change of reference data that would open more to a living agreement. `after` is what the data would
    /// be.
    pub async fn must_not_widen<R: Reference>(
        &self,
        write: &Write,
        by: &Caller,
        after: &R,
    ) -> Result<()> {
        let after: &(dyn Any + Send + Sync) = after;
        let opens = self.gate.widened(self, write, by, after).await?;
        if opens.is_empty() {
            return Ok(());
        }
        let what =
            format!("an administrator must approve what it would open: {}", opens.join(BETWEEN));
        Err(Error::new(Reason::ChangeHeld, what).with("opens", opens.join(BETWEEN)))
    }

    /// Writes a batch, or holds it: then it is refused with the number under which it waits.
    pub async fn write_or_hold(
        self: &Arc<Self>,
        caller: &Caller,
        ask: BatchOptions,
        op: impl WriteOp<Output = BatchOutcome>,
        request: HeldRequest,
    ) -> Result<Receipt> {
        let is_tried = ask.validate_only;
        let err = match self.write_batch(caller, ask, op).await {
            Err(err) if err.reason() == Reason::ChangeHeld && !is_tried => err,
            answer => return answer,
        };
        let opens = err.metadata().find(|(key, _)| key == "opens").map(|(_, it)| it);
        let opens = opens.iter().flat_map(|it| it.split(BETWEEN)).map(str::to_owned).collect();
        let id = self.write_once(caller, Hold { request, opens }).await?;
        Err(match id {
            Some(id) => err.with("held_change", id),
            None => err.with("held_change", "none: too many of this system's wait"),
        })
    }
}

/// Keeps a change that waits.
#[derive(Clone)]
struct Hold {
    request: HeldRequest,
    opens: Vec<String>,
}

impl WriteOp for Hold {
    type Output = Done<Option<i64>>;

    async fn run(self, _: &Hub, write: &Write, by: &Caller) -> Result<Done<Option<i64>>> {
        let Self { request: HeldRequest { kind, bytes }, opens } = self;
        let answer = held::keep(write, by.system_id, kind, bytes, &opens).await?;
        Ok(Done { answer, effect: Effect::Kept { rejected: 0 } })
    }
}

/// Makes a change that was held: what it is to do, its number, and why.
#[derive(Clone, Debug)]
pub struct Approve<O> {
    /// The change.
    pub op: O,
    /// Its number.
    pub id: i64,
    /// Why.
    pub reason: String,
}

impl<O: WriteOp<Output = BatchOutcome>> WriteOp for Approve<O> {
    type Output = BatchOutcome;

    fn ahead(&self, buffer: &mut crate::revision::unit_of_work::CommitBuffer) {
        self.op.ahead(buffer);
    }

    async fn run(self, hub: &Hub, write: &Write, by: &Caller) -> Result<BatchOutcome> {
        held::decide(write, self.id, HeldState::Approved, by.system_id, &self.reason).await?;
        let outcome = self.op.run(hub, write, by).await?;
        // The decision stays, also when the change was made by now.
        Ok(BatchOutcome { aside: true, ..outcome })
    }
}

/// Refuses a change that was held.
#[derive(Clone, Debug)]
pub struct Refuse {
    /// Its number.
    pub id: i64,
    /// Why.
    pub reason: String,
}

impl WriteOp for Refuse {
    type Output = Done<super::row::held_change::Model>;

    async fn run(self, _: &Hub, write: &Write, by: &Caller) -> Result<Self::Output> {
        let Self { id, reason } = self;
        let answer = held::decide(write, id, HeldState::Refused, by.system_id, &reason).await?;
        Ok(Done { answer, effect: Effect::Kept { rejected: 0 } })
    }
}
