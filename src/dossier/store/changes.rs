//! Changes of dossiers and procedures for the feed: versions in the order of revisions, and the state at one.
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use sea_orm::{
    ColumnTrait, ConnectionTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect,
};

use super::{
    CHUNK, DossierSubject, DossierView, events_of, every_version, is_visible, procedures, show,
    visible, without,
};
use crate::{
    caller::Caller,
    dossier::{
        Dossier, Event, Procedure, history,
        row::{dossier, procedure},
    },
    error::{Error, Result},
    personal::{Personal, vault::Vault},
    revision::Stretch,
    time::Day,
};

/// A version of a dossier, with what a watch needs beside it.
#[derive(Clone, Debug)]
pub struct DossierChange {
    /// The dossier.
    pub dossier: Dossier,
    /// The events that the same revision added, in their order; none in a state.
    pub events: Vec<Event>,
    /// The receiving unit and the procedure of the version before.
    pub before: Option<Before>,
    /// Whether it is a tombstone.
    pub is_withdrawal: bool,
}

/// A version of a procedure.
#[derive(Clone, Debug)]
pub struct ProcedureChange {
    /// The procedure.
    pub procedure: Procedure,
    /// Why it was withdrawn, if the version is a tombstone.
    pub withdrawal_reason: Option<String>,
}

/// The fields of the version before that filters read.
#[derive(Clone, Copy, Debug, FromQueryResult)]
pub struct Before {
    id: i64,
    superseded_at: Option<i64>,
    source_id: i64,
    /// The unit that received it.
    pub receiving_unit_id: i64,
    competent_unit_id: Option<i64>,
    /// The procedure.
    pub procedure_id: i64,
    received_on: Day,
}

impl DossierChange {
    /// Whether a caller may know of it.
    pub fn is_visible(&self, caller: &Caller) -> bool {
        let received_on = self.dossier.standing.received_on;
        let subject = DossierSubject::of(&self.dossier.header, received_on);
        is_visible(caller, self.dossier.source_id, subject)
    }

    /// As a caller may see it.
    pub fn shown(&self, vault: &Vault, caller: &Caller) -> Result<DossierView> {
        let has_remarks = self.events.iter().any(|it| !it.sent.note.is_empty());
        show(vault, caller, self.dossier.clone(), self.events.clone(), has_remarks)
    }

    /// Without its personal data, which could not be opened.
    pub fn withheld(&self, err: &Error) -> DossierView {
        tracing::error!(dossier = self.dossier.code.as_str(), error = %err, "personal data stays sealed");
        without(self.dossier.clone(), self.events.clone(), true)
    }

    /// Its approximate size on the wire, in bytes.
    pub fn weight(&self) -> usize {
        let header = &self.dossier.header;
        let documents = header.components.iter().chain(&header.results);
        let documents: usize = documents.map(|it| 20 + it.name.len() + it.code.len()).sum();
        let events: usize = self.events.iter().map(|it| 150 + it.sent.note.len()).sum();
        let applicant = header.applicant.as_ref().map_or(0, Personal::len);
        800 + documents + events + applicant + 50 * header.fees.len()
    }
}

impl Before {
    /// Whether a caller could know of that version.
    pub fn is_visible(&self, caller: &Caller) -> bool {
        let Self {
            id: _,
            superseded_at: _,
            source_id,
            receiving_unit_id,
            competent_unit_id,
            procedure_id,
            received_on,
        } = *self;
        let subject =
            DossierSubject { procedure_id, receiving_unit_id, competent_unit_id, received_on };
        is_visible(caller, source_id, subject)
    }
}

/// The versions of dossiers that a stretch of revisions made.
pub async fn dossiers(db: &impl ConnectionTrait, stretch: &Stretch) -> Result<Vec<DossierChange>> {
    use dossier::Column;
    let Stretch { after, through, key, limit } = stretch;
    let mut rows = every_version(*through).filter(Column::MadeAt.gt(*after));
    if let Some(id) = key.as_deref().and_then(|it| it.parse::<i64>().ok()) {
        rows = rows.filter(Column::Id.gt(id));
    }
    let rows =
        rows.order_by_asc(Column::MadeAt).order_by_asc(Column::Id).limit(*limit).all(db).await?;
    let ids: Vec<_> = rows.iter().map(|it| it.id).collect::<HashSet<_>>().into_iter().collect();
    let mut events: HashMap<(i64, i64), Vec<Event>> = HashMap::new();
    let mut before: HashMap<(i64, i64), Before> = HashMap::new();
    for ids in ids.chunks(CHUNK) {
        let added = events_of(ids.iter().copied(), *through)
            .filter(crate::dossier::row::event::Column::MadeAt.gt(*after));
        for row in added.all(db).await? {
            let (id, event) = (row.dossier_id, Event::from(row));
            events.entry((id, event.made_at)).or_default().push(event);
        }
        // A tombstone ends as it begins: the version before is the one that it withdrew.
        let ended = every_version(*through)
            .filter(Column::WithdrawalReason.is_null())
            .filter(Column::Id.is_in(ids.iter().copied()))
            .filter(Column::SupersededAt.gt(*after))
            .filter(Column::SupersededAt.lte(*through))
            .select_only()
            .columns([
                Column::Id,
                Column::SupersededAt,
                Column::SourceId,
                Column::ReceivingUnitId,
                Column::CompetentUnitId,
                Column::ProcedureId,
                Column::ReceivedOn,
            ]);
        for it in ended.into_model::<Before>().all(db).await? {
            if let Some(at) = it.superseded_at {
                before.insert((it.id, at), it);
            }
        }
    }
    rows.into_iter()
        .map(|row| {
            let key = (row.id, row.made_at);
            let mut events = events.remove(&key).unwrap_or_default();
            events.sort_unstable_by(history::compare);
            let (before, is_withdrawal) = (before.remove(&key), row.withdrawal_reason.is_some());
            Ok(DossierChange { dossier: row.try_into()?, events, before, is_withdrawal })
        })
        .collect()
}

/// Dossiers that stood at a revision and that a caller may know of, by code.
pub async fn state(
    db: &impl ConnectionTrait,
    caller: &Caller,
    revision: i64,
    after: &str,
    limit: u64,
) -> Result<Vec<DossierChange>> {
    use dossier::Column::Code;
    let rows = visible(db.get_database_backend(), caller, revision)?;
    let rows = rows.filter(Code.gt(after)).order_by_asc(Code).limit(limit);
    let made = |row: dossier::Model| {
        let (events, before, is_withdrawal) = (Vec::new(), None, false);
        Ok(DossierChange { dossier: row.try_into()?, events, before, is_withdrawal })
    };
    rows.all(db).await?.into_iter().map(made).collect()
}

/// The versions of procedures that a stretch of revisions made.
pub async fn made_procedures(
    db: &impl ConnectionTrait,
    stretch: &Stretch,
) -> Result<Vec<Arc<ProcedureChange>>> {
    let rows = procedures::made(db, stretch).await?;
    let made = |mut row: procedure::Model| {
        let withdrawal_reason = row.withdrawal_reason.take();
        Ok(Arc::new(ProcedureChange { procedure: row.try_into()?, withdrawal_reason }))
    };
    rows.into_iter().map(made).collect()
}
