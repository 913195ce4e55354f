//! The order of pages: where a row stands in it, and stretches of rows.
use std::sync::Arc;

use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, QueryOrder, QuerySelect, Select, Value,
    sea_query::{Expr, ExprTrait},
};

use crate::{
    error::Result,
    indicator::{
        Definition,
        row::{observation, target},
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
        let Self { definitions, after, limit } = self;
        let Some(key) = after else {
            return Ok(asked(definitions, None).limit(limit).all(db).await?);
        };
        let of = |is_wanted: fn(&i64, &i64) -> bool| -> Vec<_> {
            let wanted = definitions.iter().filter(|it| is_wanted(&it.id, &key.indicator_id));
            wanted.cloned().collect()
        };
        let mut rows =
            asked(&of(|id, last| id.cmp(last).is_eq()), Some(&key)).limit(limit).all(db).await?;
        let later = of(|id, last| id > last);
        let left = limit.saturating_sub(u64::try_from(rows.len()).unwrap_or(limit));
        if left > 0 && !later.is_empty() {
            rows.extend(asked(&later, None).limit(left).all(db).await?);
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
pub(super) struct Key {
    indicator_id: i64,
    unit_id: i64,
    period_end: Day,
    period: Period,
    breakdown: String,
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { indicator_id, unit_id, period_end, period, breakdown } = self;
        write!(f, "{indicator_id}|{unit_id}|{}|{period}|{breakdown}", period_end.number())
    }
}

impl Key {
    /// Of an observation.
    pub(super) fn of(it: &observation::Model) -> Self {
        Self {
            indicator_id: it.indicator_id,
            unit_id: it.unit_id,
            period_end: it.period_end,
            period: it.period,
            breakdown: it.breakdown.clone(),
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
        }
    }

    /// The token is sealed: what does not read was never ours.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(5, '|');
        Some(Self {
            indicator_id: parts.next()?.parse().ok()?,
            unit_id: parts.next()?.parse().ok()?,
            period_end: Day::from_number(parts.next()?.parse().ok()?),
            period: parts.next()?.parse().ok()?,
            breakdown: parts.next()?.to_owned(),
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
