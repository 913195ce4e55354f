//! Keeps versions: compares what was drafted with what stands, ends what differs, and adds the new.
use std::{collections::HashMap, sync::Arc};

use sea_orm::{FromQueryResult, Value};

use crate::{
    db::bulk::{self, Keys},
    error::{Error, Result},
    hub::Batch,
    indicator::{
        Definition,
        row::{observation, target},
    },
    period::Period,
    revision::{
        committer::Write,
        made,
        receipt::{ItemResult, Outcome},
    },
};

/// What versions share, of which one stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    indicator_id: i64,
    unit_id: i64,
    period: Period,
    breakdown: String,
}

/// What observations and targets have in common: versions under a key, of which one stands.
pub(super) trait Version: FromQueryResult + Clone + Send + Sync {
    /// The bit that says that a revision made versions of this kind.
    const MADE: i32;

    /// Its key.
    fn key(&self) -> Key;

    /// Whether two versions say the same. When, under which version of the definition and why they were published is not
    /// what they say: sending a value again does not make it a new one.
    fn says_the_same(&self, other: &Self) -> bool;

    /// The table.
    const TABLE: &'static str;
    /// Columns by which what stands is found. The period's end is not one of them: another version of the definition may
    /// end it on another day.
    const STANDS: &'static [&'static str];
    /// Columns that name one version.
    const NAMES: &'static [&'static str];

    /// Its values in the columns by which what stands is found.
    fn stands(&self) -> Vec<Value>;

    /// Its values in the columns that name it.
    fn names(&self) -> Vec<Value>;

    /// Adds new ones.
    fn add(write: &Write, rows: Vec<Self>) -> impl Future<Output = Result<()>> + Send;
}

/// Keeps what differs from what stands.
pub(super) async fn keep<V: Version>(
    write: &Write,
    drafts: Vec<Result<(Arc<Definition>, V)>>,
) -> Result<Batch> {
    let keys = drafts.iter().flatten().map(|(_, it)| it.stands());
    let keys = Keys::new(&write.db, V::STANDS, keys)?;
    let standing: Vec<V> = keys.standing(&write.db, V::TABLE).await?;
    let mut standing: HashMap<_, _> = standing.into_iter().map(|it| (it.key(), it)).collect();
    let mut made: HashMap<Key, (usize, usize)> = HashMap::with_capacity(drafts.len());
    let mut rows: Vec<V> = Vec::with_capacity(drafts.len());
    let mut ended: Vec<V> = Vec::new();
    let mut keep = |index: usize, definition: &Definition, row: V| {
        let key = row.key();
        if let Some((earlier, place)) = made.get(&key) {
            let same = rows.get(*place).is_some_and(|it| it.says_the_same(&row));
            return repeated(same, *earlier);
        }
        let outcome = match standing.get(&key) {
            Some(old) if old.says_the_same(&row) => {
                return Ok(ItemResult::new(Outcome::Unchanged, 0));
            }
            Some(_) => {
                ended.extend(standing.remove(&key));
                Outcome::Corrected
            }
            None if definition.meaning.retired => {
                return Err(Error::field("indicator", "not be retired"));
            }
            None => Outcome::Created,
        };
        made.insert(key, (index, rows.len()));
        rows.push(row);
        Ok(ItemResult::new(outcome, 0))
    };
    let items = drafts
        .into_iter()
        .enumerate()
        .map(|(index, draft)| draft.and_then(|(definition, row)| keep(index, &definition, row)))
        .collect();
    let keys = Keys::new(&write.db, V::NAMES, ended.iter().map(V::names))?;
    keys.end(&write.db, V::TABLE, write.revision.number).await?;
    V::add(write, rows).await?;
    Ok(Batch { items, touched: V::MADE })
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
    const MADE: i32 = made::OBSERVATIONS;
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
        }
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
            definition_version: _,
            source_id,
            channel,
            source_document,
            source_record,
            quote,
            as_written,
            note,
            correction_reason: _,
        } = self;
        *indicator_id == other.indicator_id
            && *unit_id == other.unit_id
            && *period_end == other.period_end
            && *period == other.period
            && *breakdown == other.breakdown
            && *period_start == other.period_start
            && *value == other.value
            && *numerator == other.numerator
            && *denominator == other.denominator
            && *qualifier == other.qualifier
            && *status == other.status
            && *as_of == other.as_of
            && *inconsistent == other.inconsistent
            && *source_id == other.source_id
            && *channel == other.channel
            && *source_document == other.source_document
            && *source_record == other.source_record
            && *quote == other.quote
            && *as_written == other.as_written
            && *note == other.note
    }

    fn stands(&self) -> Vec<Value> {
        vec![
            self.indicator_id.into(),
            self.period.to_string().into(),
            self.unit_id.into(),
            self.breakdown.as_str().into(),
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

    async fn add(write: &Write, rows: Vec<Self>) -> Result<()> {
        bulk::add::<observation::Entity>(&write.db, rows).await
    }
}

impl Version for target::Model {
    const MADE: i32 = made::TARGETS;
    const TABLE: &'static str = "target";
    const STANDS: &'static [&'static str] = &["indicator_id", "period", "unit_id"];
    const NAMES: &'static [&'static str] =
        &["indicator_id", "unit_id", "period_end", "period", "made_at"];

    fn key(&self) -> Key {
        Key {
            indicator_id: self.indicator_id,
            unit_id: self.unit_id,
            period: self.period,
            breakdown: String::new(),
        }
    }

    fn says_the_same(&self, other: &Self) -> bool {
        let Self {
            indicator_id,
            unit_id,
            period_end,
            period,
            made_at: _,
            superseded_at: _,
            committed_at: _,
            period_start,
            comparison,
            value,
            definition_version: _,
            source_id,
            channel,
            source_document,
            source_record,
            quote,
            as_written,
            note,
        } = self;
        *indicator_id == other.indicator_id
            && *unit_id == other.unit_id
            && *period_end == other.period_end
            && *period == other.period
            && *period_start == other.period_start
            && *comparison == other.comparison
            && *value == other.value
            && *source_id == other.source_id
            && *channel == other.channel
            && *source_document == other.source_document
            && *source_record == other.source_record
            && *quote == other.quote
            && *as_written == other.as_written
            && *note == other.note
    }

    fn stands(&self) -> Vec<Value> {
        vec![self.indicator_id.into(), self.period.to_string().into(), self.unit_id.into()]
    }

    fn names(&self) -> Vec<Value> {
        vec![
            self.indicator_id.into(),
            self.unit_id.into(),
            self.period_end.number().into(),
            self.period.to_string().into(),
            self.made_at.into(),
        ]
    }

    async fn add(write: &Write, rows: Vec<Self>) -> Result<()> {
        bulk::add::<target::Entity>(&write.db, rows).await
    }
}
