//! Keeps versions: compares what was drafted with what stands, ends what differs, and adds the new.
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use sea_orm::{
    ActiveModelTrait, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, sea_query::Expr,
};

use super::{observations, targets};
use crate::{
    db::MOST_BINDS,
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

/// Units in one statement, at most.
const CHUNK: usize = 5_000;

/// What versions share, apart from the unit: indicator, period and breakdown.
pub(super) type Group = (i64, Period, String);

/// What observations and targets have in common: versions under a key, of which one stands.
pub(super) trait Version: Clone + Send + Sync {
    /// The bit that says that a revision made versions of this kind.
    const MADE: i32;

    /// Its group, and its unit.
    fn key(&self) -> (Group, i64);

    /// Whether two versions say the same. When, under which version of the definition and why they were published is not
    /// what they say: sending a value again does not make it a new one.
    fn says_the_same(&self, other: &Self) -> bool;

    /// Those that stand, of an indicator and a period in some units.
    fn standing(
        write: &Write,
        definition: &Arc<Definition>,
        period: Period,
        units: &[i64],
    ) -> impl Future<Output = Result<Vec<Self>>> + Send;

    /// Ends those that stand, of a group in some units.
    fn end(write: &Write, group: &Group, units: &[i64]) -> impl Future<Output = Result<()>> + Send;

    /// Adds new ones.
    fn add(write: &Write, rows: Vec<Self>) -> impl Future<Output = Result<()>> + Send;
}

/// Keeps what differs from what stands.
pub(super) async fn keep<V: Version>(
    write: &Write,
    drafts: Vec<Result<(Arc<Definition>, V)>>,
) -> Result<Batch> {
    let standing = standing(write, &drafts).await?;
    let mut made: HashMap<(Group, i64), (usize, usize)> = HashMap::new();
    let mut rows: Vec<V> = Vec::new();
    let mut ended: BTreeMap<Group, Vec<i64>> = BTreeMap::new();
    let mut keep = |index: usize, definition: &Definition, row: V| {
        let (group, unit_id) = row.key();
        if let Some((earlier, place)) = made.get(&(group.clone(), unit_id)) {
            let same = rows.get(*place).is_some_and(|it| it.says_the_same(&row));
            return repeated(same, *earlier);
        }
        let outcome = match standing.get(&(group.clone(), unit_id)) {
            Some(old) if old.says_the_same(&row) => {
                return Ok(ItemResult::new(Outcome::Unchanged, 0));
            }
            Some(_) => {
                ended.entry(group.clone()).or_default().push(unit_id);
                Outcome::Corrected
            }
            None if definition.meaning.retired => {
                return Err(Error::field("indicator", "not be retired"));
            }
            None => Outcome::Created,
        };
        made.insert((group, unit_id), (index, rows.len()));
        rows.push(row);
        Ok(ItemResult::new(outcome, 0))
    };
    let items = drafts
        .into_iter()
        .enumerate()
        .map(|(index, draft)| draft.and_then(|(definition, row)| keep(index, &definition, row)))
        .collect();
    for (group, units) in ended {
        for units in units.chunks(CHUNK) {
            V::end(write, &group, units).await?;
        }
    }
    V::add(write, rows).await?;
    Ok(Batch { items, touched: V::MADE })
}

/// What stands under the keys of the drafts: one question for each indicator and period.
async fn standing<V: Version>(
    write: &Write,
    drafts: &[Result<(Arc<Definition>, V)>],
) -> Result<HashMap<(Group, i64), V>> {
    let mut asked: BTreeMap<(i64, Period), (Arc<Definition>, Vec<i64>)> = BTreeMap::new();
    for (definition, row) in drafts.iter().flatten() {
        let ((indicator_id, period, _), unit_id) = row.key();
        let group = asked.entry((indicator_id, period));
        group.or_insert_with(|| (Arc::clone(definition), Vec::new())).1.push(unit_id);
    }
    let mut standing = HashMap::new();
    for ((_, period), (definition, units)) in asked {
        for units in units.chunks(CHUNK) {
            let rows = V::standing(write, &definition, period, units).await?;
            standing.extend(rows.into_iter().map(|it| (it.key(), it)));
        }
    }
    Ok(standing)
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

    fn key(&self) -> (Group, i64) {
        ((self.indicator_id, self.period, self.breakdown.clone()), self.unit_id)
    }

    fn says_the_same(&self, other: &Self) -> bool {
        let other = Self {
            made_at: self.made_at,
            superseded_at: self.superseded_at,
            committed_at: self.committed_at,
            definition_version: self.definition_version,
            correction_reason: self.correction_reason.clone(),
            ..other.clone()
        };
        *self == other
    }

    async fn standing(
        write: &Write,
        definition: &Arc<Definition>,
        period: Period,
        units: &[i64],
    ) -> Result<Vec<Self>> {
        let rows = observations(&[Arc::clone(definition)], write.head.newest.number)
            .filter(observation::Column::Period.eq(period))
            .filter(observation::Column::UnitId.is_in(units.iter().copied()));
        Ok(rows.all(&write.db).await?)
    }

    #[expect(clippy::disallowed_methods, reason = "the one place where observations end")]
    async fn end(write: &Write, group: &Group, units: &[i64]) -> Result<()> {
        use observation::Column;
        let (indicator_id, period, breakdown) = group;
        observation::Entity::update_many()
            .col_expr(Column::SupersededAt, Expr::value(write.revision.number))
            .filter(Column::IndicatorId.eq(*indicator_id))
            .filter(Column::Period.eq(*period))
            .filter(Column::Breakdown.eq(breakdown.as_str()))
            .filter(Column::UnitId.is_in(units.iter().copied()))
            .filter(Column::SupersededAt.is_null())
            .exec(&write.db)
            .await?;
        Ok(())
    }

    async fn add(write: &Write, rows: Vec<Self>) -> Result<()> {
        for chunk in rows.chunks(MOST_BINDS / 25) {
            let rows = chunk.iter().map(|it| it.clone().into_active_model().reset_all());
            observation::Entity::insert_many(rows).exec_without_returning(&write.db).await?;
        }
        Ok(())
    }
}

impl Version for target::Model {
    const MADE: i32 = made::TARGETS;

    fn key(&self) -> (Group, i64) {
        ((self.indicator_id, self.period, String::new()), self.unit_id)
    }

    fn says_the_same(&self, other: &Self) -> bool {
        let other = Self {
            made_at: self.made_at,
            superseded_at: self.superseded_at,
            committed_at: self.committed_at,
            definition_version: self.definition_version,
            ..other.clone()
        };
        *self == other
    }

    async fn standing(
        write: &Write,
        definition: &Arc<Definition>,
        period: Period,
        units: &[i64],
    ) -> Result<Vec<Self>> {
        let rows = targets(&[Arc::clone(definition)], write.head.newest.number)
            .filter(target::Column::Period.eq(period))
            .filter(target::Column::UnitId.is_in(units.iter().copied()));
        Ok(rows.all(&write.db).await?)
    }

    #[expect(clippy::disallowed_methods, reason = "the one place where targets end")]
    async fn end(write: &Write, group: &Group, units: &[i64]) -> Result<()> {
        use target::Column;
        let (indicator_id, period, _) = group;
        target::Entity::update_many()
            .col_expr(Column::SupersededAt, Expr::value(write.revision.number))
            .filter(Column::IndicatorId.eq(*indicator_id))
            .filter(Column::Period.eq(*period))
            .filter(Column::UnitId.is_in(units.iter().copied()))
            .filter(Column::SupersededAt.is_null())
            .exec(&write.db)
            .await?;
        Ok(())
    }

    async fn add(write: &Write, rows: Vec<Self>) -> Result<()> {
        for chunk in rows.chunks(MOST_BINDS / 18) {
            let rows = chunk.iter().map(|it| it.clone().into_active_model().reset_all());
            target::Entity::insert_many(rows).exec_without_returning(&write.db).await?;
        }
        Ok(())
    }
}
