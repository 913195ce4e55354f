//! Withdraws dossiers: a tombstone supersedes the standing version. The history stays.
use std::sync::Arc;

use super::publish::DossierDraft;
use crate::{
    caller::Caller,
    dossier::Code,
    error::{Error, Result},
    hub::{BatchOutcome, Hub, WriteOp},
    outcome::Outcome,
    revision::{receipt::ItemResult, touched::TouchedSet, withdrawal::Withdrawal, write::Write},
};

/// Withdraws dossiers.
impl WriteOp for Withdrawal<Code> {
    type Output = BatchOutcome;

    async fn run(self, hub: &Hub, write: &Write, caller: &Caller) -> Result<BatchOutcome> {
        let Withdrawal { keys, reason } = self;
        let codes = keys.iter().flatten().map(Code::as_str);
        let mut draft = DossierDraft::read(hub, caller, write, codes).await?;
        let reason: Arc<str> = reason.into();
        let items = keys.into_iter().map(|it| draft.withdraw(&it?, &reason)).collect();
        draft.keep(write).await?;
        Ok(BatchOutcome::new(items, TouchedSet::DOSSIERS))
    }
}

impl DossierDraft<'_> {
    fn withdraw(&mut self, code: &Code, reason: &Arc<str>) -> Result<ItemResult> {
        let not_found = || Error::not_found("dossier", code.as_str());
        let Some(known) = self.known.get(code.as_str()) else {
            // Only the owner learns that it existed.
            return match self.withdrawn_before(code) {
                Some(_) => Ok(ItemResult::new(Outcome::Unchanged, 0)),
                None => Err(not_found()),
            };
        };
        if known.dossier.source_id != self.caller.system_id {
            return Err(match self.caller.knows_every_dossier() {
                true => self.not_authoritative(&known.dossier, ""),
                false => not_found(),
            });
        }
        self.must_cover(&known.dossier.header, known.dossier.standing.received_on, "")?;
        if known.withdrawn.is_some() {
            return Ok(ItemResult::new(Outcome::Unchanged, 0));
        }
        if let Some(known) = self.known.get_mut(code.as_str()) {
            known.withdrawn = Some(Arc::clone(reason));
            known.is_changed = true;
        }
        Ok(ItemResult::new(Outcome::Corrected, 0))
    }
}
