//! Keeps versions: compares each draft with the standing version, supersedes what differs, and adds the new one.
use std::{collections::HashMap, sync::Arc};

use sea_orm::{DatabaseTransaction, Value};

use super::version_buffer::{Key, Version, VersionBuffer};
use crate::{
    caller::Caller,
    db::bulk,
    error::{Error, Result},
    hub::{BatchOutcome, store::rejections},
    indicator::{
        CellKey, Definition,
        row::{observation, target},
    },
    outcome::Outcome,
    revision::{Revision, receipt::ItemResult, touched::TouchedSet, write::Write},
};

/// What a tombstone says: which revision withdraws, for which system, and why.
pub(super) struct Tombstone {
    pub(super) at: Revision,
    pub(super) by: i64,
    pub(super) reason: String,
}

/// A version to be kept, and the definition that it is published under.
pub(super) type VersionDraft<V> = (Arc<Definition>, V);

/// Drafts of one kind, each with its place in the batch.
pub(super) type Drafts<V> = Vec<(usize, Result<VersionDraft<V>>)>;

/// What became of items, each with its place in the batch, and what they touched.
pub(super) struct KeptItems {
    items: Vec<(usize, Result<ItemResult>)>,
    touched: TouchedSet,
}

impl KeptItems {
    /// With what became of the others of the same batch.
    pub(super) fn and(mut self, other: Self) -> Self {
        self.items.extend(other.items);
        self.items.sort_by_key(|(index, _)| *index);
        Self { items: self.items, touched: self.touched | other.touched }
    }

    /// The outcome of the batch: what is refused says which item it is about. What was rejected earlier, and is now
    /// sent as it stands, is no longer rejected: nothing else would show that it was sent right.
    pub(super) async fn named(
        self,
        write: &Write,
        by: &Caller,
        list: &'static str,
        cells: Vec<Option<CellKey>>,
    ) -> Result<BatchOutcome> {
        let Self { items, touched } = self;
        let named = items.into_iter().zip(&cells);
        let items: Vec<Result<ItemResult>> = named
            .map(|((_, item), cell)| match cell {
                Some(cell) => item.map_err(|err| err.about(cell)),
                None => item,
            })
            .collect();
        let is_unchanged =
            |it: &Result<ItemResult>| it.as_ref().is_ok_and(|it| it.outcome == Outcome::Unchanged);
        let aside =
            items.iter().any(is_unchanged) && rejections::any(write, by.system_id, list).await?;
        if aside {
            let sent = items.iter().zip(&cells).filter(|(it, _)| is_unchanged(it));
            let sent = sent.filter_map(|(_, cell)| Some(cell.as_ref()?.to_string())).collect();
            rejections::forget(write, by.system_id, list, sent).await;
        }
        Ok(BatchOutcome { items, touched, aside })
    }
}

/// Keeps what differs from what stands.
pub(super) async fn keep<V: Version>(write: &Write, drafts: Drafts<V>) -> Result<KeptItems> {
    let mut buffer = write.buffer().await;
    let sheet = buffer.buffered::<VersionBuffer<V>>();
    let keys = drafts.iter().filter_map(|(_, it)| Some(it.as_ref().ok()?.1.key()));
    sheet.read(write.before(), keys).await?;
    let mut made: HashMap<Key, (usize, usize)> = HashMap::with_capacity(drafts.len());
    let mut rows: Vec<V> = Vec::with_capacity(drafts.len());
    let mut keep = |index: usize, definition: &Definition, row: V| {
        let key = row.key();
        if let Some((earlier, place)) = made.get(&key) {
            let same = rows.get(*place).is_some_and(|it| it.says_the_same(&row));
            return repeated(same, *earlier);
        }
        let outcome = match sheet.standing(&key) {
            Some(old) if old.says_the_same(&row) => {
                return Ok(ItemResult::new(Outcome::Unchanged, 0));
            }
            Some(_) => Outcome::Corrected,
            None if definition.meaning.retired => {
                return Err(Error::field("indicator", "not be retired"));
            }
            None => Outcome::Created,
        };
        made.insert(key, (index, rows.len()));
        rows.push(row);
        Ok(ItemResult::new(outcome, 0))
    };
    let kept = drafts.into_iter().map(|(index, draft)| {
        (index, draft.and_then(|(definition, row)| keep(index, &definition, row)))
    });
    let items = kept.collect();
    let touched = if rows.is_empty() { TouchedSet::NOTHING } else { V::MADE };
    sheet.make(rows);
    Ok(KeptItems { items, touched })
}

/// An item whose key stands earlier in the same batch: the same again is nothing new, anything else is a contradiction.
fn repeated(is_same: bool, earlier: usize) -> Result<ItemResult> {
    if is_same {
        return Ok(ItemResult::new(Outcome::Unchanged, 0));
    }
    let rule = format!("not contradict item {earlier} of the same batch");
    Err(Error::field("period", rule))
}

impl Version for observation::Model {
    const NAME: &'static str = "observation";
    const LIST: &'static str = "observations";
    const MADE: TouchedSet = TouchedSet::OBSERVATIONS;
    const TABLE: &'static str = "observation";
    const STANDS: &'static [&'static str] = &["indicator_id", "period", "unit_id", "breakdown"];
    const NAMES: &'static [&'static str] =
        &["indicator_id", "unit_id", "period_end", "period", "breakdown", "made_at"];

    fn key(&self) -> Key {
        Key {
            indicator_id: self.indicator_id,
            unit_id: self.unit_id,
            period: self.period,
            breakdown: self.breakdown.clone(),
            source_id: None,
        }
    }

    fn source_id(&self) -> i64 {
        self.source_id
    }

    fn says_the_same(&self, other: &Self) -> bool {
        let Self {
            indicator_id,
            unit_id,
            period_end,
            period,
            breakdown,
            made_at: _,
            superseded_at: _,
            committed_at: _,
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
            correction_reason: _,
            withdrawal_reason: _,
            released_on,
        } = self;
        *indicator_id == other.indicator_id
            && *unit_id == other.unit_id
            && *period_end == other.period_end
            && *period == other.period
            && *breakdown == other.breakdown
            && *released_on == other.released_on
            && *period_start == other.period_start
            && *value == other.value
            && *numerator == other.numerator
            && *denominator == other.denominator
            && *qualifier == other.qualifier
            && *status == other.status
            && *as_of == other.as_of
            && *inconsistent == other.inconsistent
            && *definition_version == other.definition_version
            && *source_id == other.source_id
            && *channel == other.channel
            && *source_document == other.source_document
            && *source_record == other.source_record
            && *quote == other.quote
            && *as_written == other.as_written
            && *note == other.note
    }

    fn stands(key: &Key) -> Vec<Value> {
        vec![
            key.indicator_id.into(),
            key.period.to_string().into(),
            key.unit_id.into(),
            key.breakdown.as_str().into(),
        ]
    }

    fn names(&self) -> Vec<Value> {
        vec![
            self.indicator_id.into(),
            self.unit_id.into(),
            self.period_end.number().into(),
            self.period.to_string().into(),
            self.breakdown.as_str().into(),
            self.made_at.into(),
        ]
    }

    fn made_at(&self) -> i64 {
        self.made_at
    }

    fn is_withdrawal(&self) -> bool {
        self.withdrawal_reason.is_some()
    }

    fn withdrawn(&self, tombstone: &Tombstone) -> Self {
        let Tombstone { at, by, reason } = tombstone;
        Self {
            made_at: at.number,
            superseded_at: Some(at.number),
            committed_at: at.at,
            value: None,
            numerator: None,
            denominator: None,
            inconsistent: false,
            source_id: *by,
            channel: None,
            source_document: String::new(),
            source_record: String::new(),
            quote: String::new(),
            as_written: String::new(),
            note: String::new(),
            correction_reason: String::new(),
            withdrawal_reason: Some(reason.clone()),
            released_on: None,
            ..self.clone()
        }
    }

    fn supersede(&mut self, revision: i64) {
        self.superseded_at = Some(revision);
    }

    async fn add(db: &DatabaseTransaction, rows: Vec<Self>) -> Result<()> {
        bulk::add::<observation::Entity>(db, rows).await
    }
}

impl Version for target::Model {
    const NAME: &'static str = "target";
    const LIST: &'static str = "targets";
    const MADE: TouchedSet = TouchedSet::TARGETS;
    const TABLE: &'static str = "target";
    const STANDS: &'static [&'static str] = &["indicator_id", "period", "unit_id", "breakdown"];
    const NAMES: &'static [&'static str] =
        &["indicator_id", "unit_id", "period_end", "period", "breakdown", "made_at"];

    fn key(&self) -> Key {
        Key {
            indicator_id: self.indicator_id,
            unit_id: self.unit_id,
            period: self.period,
            breakdown: self.breakdown.clone(),
            source_id: None,
        }
    }

    fn source_id(&self) -> i64 {
        self.source_id
    }

    fn says_the_same(&self, other: &Self) -> bool {
        let Self {
            indicator_id,
            unit_id,
            period_end,
            period,
            breakdown,
            made_at: _,
            superseded_at: _,
            committed_at: _,
            period_start,
            comparison,
            value,
            definition_version,
            source_id,
            channel,
            source_document,
            source_record,
            quote,
            as_written,
            note,
            withdrawal_reason: _,
        } = self;
        *indicator_id == other.indicator_id
            && *unit_id == other.unit_id
            && *period_end == other.period_end
            && *period == other.period
            && *breakdown == other.breakdown
            && *period_start == other.period_start
            && *comparison == other.comparison
            && *value == other.value
            && *definition_version == other.definition_version
            && *source_id == other.source_id
            && *channel == other.channel
            && *source_document == other.source_document
            && *source_record == other.source_record
            && *quote == other.quote
            && *as_written == other.as_written
            && *note == other.note
    }

    fn stands(key: &Key) -> Vec<Value> {
        vec![
            key.indicator_id.into(),
            key.period.to_string().into(),
            key.unit_id.into(),
            key.breakdown.as_str().into(),
        ]
    }

    fn names(&self) -> Vec<Value> {
        vec![
            self.indicator_id.into(),
            self.unit_id.into(),
            self.period_end.number().into(),
            self.period.to_string().into(),
            self.breakdown.as_str().into(),
            self.made_at.into(),
        ]
    }

    fn made_at(&self) -> i64 {
        self.made_at
    }

    fn is_withdrawal(&self) -> bool {
        self.withdrawal_reason.is_some()
    }

    fn withdrawn(&self, tombstone: &Tombstone) -> Self {
        let Tombstone { at, by, reason } = tombstone;
        Self {
            made_at: at.number,
            superseded_at: Some(at.number),
            committed_at: at.at,
            value: None,
            source_id: *by,
            channel: None,
            source_document: String::new(),
            source_record: String::new(),
            quote: String::new(),
            as_written: String::new(),
            note: String::new(),
            withdrawal_reason: Some(reason.clone()),
            ..self.clone()
        }
    }

    fn supersede(&mut self, revision: i64) {
        self.superseded_at = Some(revision);
    }

    async fn add(db: &DatabaseTransaction, rows: Vec<Self>) -> Result<()> {
        bulk::add::<target::Entity>(db, rows).await
    }
}
