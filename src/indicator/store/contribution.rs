//! What other sources than the authoritative one contribute: kept beside observations, read only where a question says
//! so.
use sea_orm::{DatabaseTransaction, DbErr, FromQueryResult, QueryResult, Value};

use super::{
    keep::Tombstone,
    version_buffer::{Key, Version},
};
use crate::{
    db::bulk,
    error::Result,
    indicator::row::{contribution, observation},
    revision::touched::TouchedSet,
};

/// A version that was contributed. It says what an observation says, and its source is part of its key.
#[derive(Clone, Debug)]
pub(super) struct Contribution(pub(super) observation::Model);

/// A row, and whether another source than the authoritative one published it.
#[derive(Clone, Debug)]
pub(super) struct SourcedRow {
    pub(super) row: observation::Model,
    pub(super) contributed: bool,
}

impl SourcedRow {
    /// Of the authoritative source.
    pub(super) fn own(row: observation::Model) -> Self {
        Self { row, contributed: false }
    }

    /// Of another one.
    pub(super) fn contributed(Contribution(row): Contribution) -> Self {
        Self { row, contributed: true }
    }

    /// What tells sources of one cell apart, the authoritative one first: 0, or the contributor's id.
    pub(super) fn contributor(&self) -> i64 {
        if self.contributed { self.row.source_id } else { 0 }
    }
}

impl FromQueryResult for Contribution {
    fn from_query_result(row: &QueryResult, prefix: &str) -> Result<Self, DbErr> {
        observation::Model::from_query_result(row, prefix).map(Self)
    }
}

impl Version for Contribution {
    const NAME: &'static str = observation::Model::NAME;
    const LIST: &'static str = observation::Model::LIST;
    const MADE: TouchedSet = TouchedSet::CONTRIBUTIONS;
    const TABLE: &'static str = "contribution";
    const STANDS: &'static [&'static str] =
        &["indicator_id", "period", "unit_id", "breakdown", "source_id"];
    const NAMES: &'static [&'static str] =
        &["indicator_id", "unit_id", "period_end", "period", "breakdown", "made_at", "source_id"];

    fn key(&self) -> Key {
        Self::key_of(self.0.key(), self.0.source_id)
    }

    fn key_of(cell: Key, source_id: i64) -> Key {
        Key { source_id: Some(source_id), ..cell }
    }

    fn source_id(&self) -> i64 {
        self.0.source_id
    }

    fn stands(key: &Key) -> Vec<Value> {
        let mut values = observation::Model::stands(key);
        values.push(key.source_id.unwrap_or_default().into());
        values
    }

    fn names(&self) -> Vec<Value> {
        let mut values = self.0.names();
        values.push(self.0.source_id.into());
        values
    }

    fn says_the_same(&self, other: &Self) -> bool {
        self.0.says_the_same(&other.0)
    }

    fn made_at(&self) -> i64 {
        self.0.made_at()
    }

    fn is_withdrawal(&self) -> bool {
        self.0.is_withdrawal()
    }

    fn withdrawn(&self, tombstone: &Tombstone) -> Self {
        Self(self.0.withdrawn(tombstone))
    }

    fn supersede(&mut self, revision: i64) {
        self.0.supersede(revision);
    }

    async fn add(db: &DatabaseTransaction, rows: Vec<Self>) -> Result<()> {
        let rows = rows.into_iter().map(Into::into).collect();
        bulk::add::<contribution::Entity>(db, rows).await
    }
}

impl From<Contribution> for contribution::Model {
    fn from(Contribution(row): Contribution) -> Self {
        let observation::Model {
            indicator_id,
            unit_id,
            period_end,
            period,
            breakdown,
            made_at,
            superseded_at,
            committed_at,
            period_start,
            value,
            numerator,
            denominator,
            qualifier,
            status,
            as_of,
            inconsistent,
            definition_version,
            source_id,
            channel,
            source_document,
            source_record,
            quote,
            as_written,
            note,
            correction_reason,
            withdrawal_reason,
            released_on,
        } = row;
        Self {
            indicator_id,
            unit_id,
            period_end,
            period,
            breakdown,
            made_at,
            superseded_at,
            committed_at,
            period_start,
            value,
            numerator,
            denominator,
            qualifier,
            status,
            as_of,
            inconsistent,
            definition_version,
            source_id,
            channel,
            source_document,
            source_record,
            quote,
            as_written,
            note,
            correction_reason,
            withdrawal_reason,
            released_on,
        }
    }
}
