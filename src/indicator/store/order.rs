//! The order of pages: where a row stands in it, and stretches of rows.
use std::sync::Arc;

use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, QueryOrder, QuerySelect, Select,
    Value,
    sea_query::{Expr, ExprTrait},
};

use super::contribution::{Contribution, SourcedRow};
use crate::{
    error::Result,
    indicator::{
        Definition,
        row::{contribution, observation, target},
    },
    period::Period,
    time::Day,
};

/// A stretch of rows in the order of their keys: of these indicators, after a key, at most so many.
pub(super) struct RowRange<'a> {
    pub(super) definitions: &'a [Arc<Definition>],
    pub(super) after: Option<Key>,
    pub(super) limit: u64,
}

impl RowRange<'_> {
    /// Reads it: what is left of the key's own indicator, and then the later ones. Asked for both at once, SQLite
    /// finds only the indicator in the index, and would read all of it again for every page.
    pub(super) async fn read<E: EntityTrait>(
        self,
        db: &impl ConnectionTrait,
        asked: impl Fn(&[Arc<Definition>], Option<&Key>) -> Select<E>,
    ) -> Result<Vec<E::Model>> {
        self.read_as::<E, E::Model>(db, asked).await
    }

    /// Reads it likewise, as another model of the same columns.
    pub(super) async fn read_as<E: EntityTrait, M: FromQueryResult>(
        self,
        db: &impl ConnectionTrait,
        asked: impl Fn(&[Arc<Definition>], Option<&Key>) -> Select<E>,
    ) -> Result<Vec<M>> {
        let Self { definitions, after, limit } = self;
        let Some(key) = after else {
            return Ok(asked(definitions, None).limit(limit).into_model().all(db).await?);
        };
        let of = |is_wanted: fn(&i64, &i64) -> bool| -> Vec<_> {
            let wanted = definitions.iter().filter(|it| is_wanted(&it.id, &key.indicator_id));
            wanted.cloned().collect()
        };
        let same = asked(&of(|id, last| id.cmp(last).is_eq()), Some(&key)).limit(limit);
        let mut rows = same.into_model().all(db).await?;
        let later = of(|id, last| id > last);
        let left = limit.saturating_sub(u64::try_from(rows.len()).unwrap_or(limit));
        if left > 0 && !later.is_empty() {
            rows.extend(asked(&later, None).limit(left).into_model().all(db).await?);
        }
        Ok(rows)
    }
}

/// Observations in the order of their keys.
pub(super) fn in_order(rows: Select<observation::Entity>) -> Select<observation::Entity> {
    use observation::Column;
    rows.order_by_asc(Column::IndicatorId)
        .order_by_asc(Column::UnitId)
        .order_by_asc(Column::PeriodEnd)
        .order_by_asc(Column::Period)
        .order_by_asc(Column::Breakdown)
}

/// Contributions in the order of their keys: of one cell by the ids of their sources.
pub(super) fn contributions_in_order(
    rows: Select<contribution::Entity>,
) -> Select<contribution::Entity> {
    use contribution::Column;
    rows.order_by_asc(Column::IndicatorId)
        .order_by_asc(Column::UnitId)
        .order_by_asc(Column::PeriodEnd)
        .order_by_asc(Column::Period)
        .order_by_asc(Column::Breakdown)
        .order_by_asc(Column::SourceId)
}

/// The first rows of both in the order of their keys, at most so many: in a cell what the authoritative source says
/// comes first.
pub(super) fn merged(
    own: Vec<observation::Model>,
    contributed: Vec<Contribution>,
    limit: u64,
) -> Vec<SourcedRow> {
    let own = own.into_iter().map(SourcedRow::own);
    let mut rows: Vec<_> =
        own.chain(contributed.into_iter().map(SourcedRow::contributed)).collect();
    rows.sort_by_cached_key(|it| {
        let row = &it.row;
        // As the store compares them: by their texts.
        let (period, breakdown) = (row.period.to_string(), row.breakdown.clone());
        let contributor = it.contributor();
        (row.indicator_id, row.unit_id, row.period_end, period, breakdown, contributor)
    });
    rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    rows
}

/// Targets, likewise.
pub(super) fn targets_in_order(rows: Select<target::Entity>) -> Select<target::Entity> {
    use target::Column;
    rows.order_by_asc(Column::IndicatorId)
        .order_by_asc(Column::UnitId)
        .order_by_asc(Column::PeriodEnd)
        .order_by_asc(Column::Period)
        .order_by_asc(Column::Breakdown)
}

/// Where a row stands in the order of pages.
#[derive(Clone)]
pub(super) struct Key {
    indicator_id: i64,
    unit_id: i64,
    period_end: Day,
    period: Period,
    breakdown: String,
    /// 0, or the id of the source that contributed the row: of one cell these come last.
    contributor: i64,
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { indicator_id, unit_id, period_end, period, breakdown, contributor } = self;
        write!(f, "{indicator_id}|{unit_id}|{}|{period}|{breakdown}", period_end.number())?;
        if *contributor == 0 { Ok(()) } else { write!(f, "|{contributor}") }
    }
}

impl Key {
    /// Of a row of any source.
    pub(super) fn of_sourced(it: &SourcedRow) -> Self {
        Self { contributor: it.contributor(), ..Self::of(&it.row) }
    }

    /// Of an observation.
    pub(super) fn of(it: &observation::Model) -> Self {
        Self {
            indicator_id: it.indicator_id,
            unit_id: it.unit_id,
            period_end: it.period_end,
            period: it.period,
            breakdown: it.breakdown.clone(),
            contributor: 0,
        }
    }

    /// Of a target.
    pub(super) fn of_target(it: &target::Model) -> Self {
        Self {
            indicator_id: it.indicator_id,
            unit_id: it.unit_id,
            period_end: it.period_end,
            period: it.period,
            breakdown: it.breakdown.clone(),
            contributor: 0,
        }
    }

    /// The token is sealed: what does not read was never ours.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(6, '|');
        Some(Self {
            indicator_id: parts.next()?.parse().ok()?,
            unit_id: parts.next()?.parse().ok()?,
            period_end: Day::from_number(parts.next()?.parse().ok()?),
            period: parts.next()?.parse().ok()?,
            breakdown: parts.next()?.to_owned(),
            contributor: parts.next().map_or(Some(0), |it| it.parse().ok())?,
        })
    }

    /// That an observation of the same indicator comes after it.
    pub(super) fn before_observation(&self) -> Expr {
        use observation::Column::{Breakdown, Period, PeriodEnd, UnitId};
        let row = [UnitId, PeriodEnd, Period, Breakdown].map(Expr::col);
        let key: [Value; 4] = [
            self.unit_id.into(),
            self.period_end.number().into(),
            self.period.to_string().into(),
            self.breakdown.as_str().into(),
        ];
        Expr::tuple(row).gt(Expr::tuple(key.map(Expr::val)))
    }

    /// That a contribution of the same indicator comes after it.
    pub(super) fn before_contribution(&self) -> Expr {
        use contribution::Column::{Breakdown, Period, PeriodEnd, SourceId, UnitId};
        let row = [UnitId, PeriodEnd, Period, Breakdown, SourceId].map(Expr::col);
        let key: [Value; 5] = [
            self.unit_id.into(),
            self.period_end.number().into(),
            self.period.to_string().into(),
            self.breakdown.as_str().into(),
            self.contributor.into(),
        ];
        Expr::tuple(row).gt(Expr::tuple(key.map(Expr::val)))
    }

    /// That a target of the same indicator comes after it.
    pub(super) fn before_target(&self) -> Expr {
        use target::Column::{Breakdown, Period, PeriodEnd, UnitId};
        let row = [UnitId, PeriodEnd, Period, Breakdown].map(Expr::col);
        let key: [Value; 4] = [
            self.unit_id.into(),
            self.period_end.number().into(),
            self.period.to_string().into(),
            self.breakdown.as_str().into(),
        ];
        Expr::tuple(row).gt(Expr::tuple(key.map(Expr::val)))
    }

    /// That something of the same indicator, or of a later one, comes after it.
    pub(super) fn before(&self, indicator_id: impl ColumnTrait, same: Expr) -> Expr {
        let later = indicator_id.gt(self.indicator_id);
        later.or(indicator_id.eq(self.indicator_id).and(same))
    }
}
