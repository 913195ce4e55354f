//! Changes of indicators for the feed: versions in the order of revisions, and the state at one.
use std::{collections::HashSet, sync::Arc};

use sea_orm::{ColumnTrait, ConnectionTrait, QueryFilter, QueryOrder, QuerySelect};

use super::{
    every_observation, every_target, observations,
    order::{self, Key, in_order, targets_in_order},
    read::{Names, ObservationView, TargetView},
    targets, visible,
};
use crate::{
    error::Result,
    indicator::{
        Breakdown, Definition,
        row::{definition, observation, target},
    },
    revision::Stretch,
    time::Day,
};

/// A version that a revision made.
#[derive(Clone, Debug)]
pub enum IndicatorChange {
    /// Of a definition.
    Definition(Arc<Definition>),
    /// Of an observation.
    Observation(Arc<observation::Model>),
    /// Of a target.
    Target(Arc<target::Model>),
}

/// A version with its names.
#[derive(Debug)]
pub enum IndicatorChangeView {
    /// A definition.
    Definition(Arc<Definition>),
    /// An observation.
    Observation(Box<ObservationView>),
    /// A target.
    Target(Box<TargetView>),
}

impl IndicatorChange {
    /// The revision that made it.
    pub fn revision(&self) -> i64 {
        match self {
            Self::Definition(it) => it.made_at,
            Self::Observation(it) => it.made_at,
            Self::Target(it) => it.made_at,
        }
    }

    /// The indicator that it is of.
    pub fn indicator_id(&self) -> i64 {
        match self {
            Self::Definition(it) => it.id,
            Self::Observation(it) => it.indicator_id,
            Self::Target(it) => it.indicator_id,
        }
    }

    /// The unit that it is of.
    pub fn unit_id(&self) -> Option<i64> {
        match self {
            Self::Definition(_) => None,
            Self::Observation(it) => Some(it.unit_id),
            Self::Target(it) => Some(it.unit_id),
        }
    }

    /// The unit that it is of, and the day that it speaks of: the last one of its period.
    pub fn speaks_of(&self) -> Option<(i64, Day)> {
        match self {
            Self::Definition(_) => None,
            Self::Observation(it) => Some((it.unit_id, it.period_end)),
            Self::Target(it) => Some((it.unit_id, it.period_end)),
        }
    }

    /// The breakdown that it is of.
    pub fn breakdown(&self) -> Option<Breakdown> {
        match self {
            Self::Definition(_) => None,
            Self::Observation(it) => Some(Breakdown::from_text(&it.breakdown)),
            Self::Target(it) => Some(Breakdown::from_text(&it.breakdown)),
        }
    }

    /// Why it was withdrawn, if it is a tombstone.
    pub fn withdrawal_reason(&self) -> Option<&str> {
        match self {
            Self::Definition(_) => None,
            Self::Observation(it) => it.withdrawal_reason.as_deref(),
            Self::Target(it) => it.withdrawal_reason.as_deref(),
        }
    }

    /// Its key in the order of one revision.
    pub fn key(&self) -> String {
        match self {
            Self::Definition(it) => it.id.to_string(),
            Self::Observation(it) => Key::of(it).to_string(),
            Self::Target(it) => Key::of_target(it).to_string(),
        }
    }

    /// Its approximate size on the wire, in bytes.
    pub fn weight(&self) -> usize {
        match self {
            Self::Definition(it) => {
                let meaning = &it.meaning;
                400 + meaning.name_vi.len()
                    + meaning.name_en.len()
                    + meaning.description.len()
                    + meaning.description_en.len()
                    + meaning.dimensions.to_string().len()
                    + meaning.numerator.len()
                    + meaning.denominator.len()
                    + meaning.legal_basis.len()
                    + meaning.owner_agency.len()
            }
            Self::Observation(it) => {
                500 + it.source_document.len()
                    + it.source_record.len()
                    + it.quote.len()
                    + it.as_written.len()
                    + it.note.len()
                    + it.correction_reason.len()
                    + it.breakdown.len()
            }
            Self::Target(it) => {
                400 + it.source_document.len()
                    + it.source_record.len()
                    + it.quote.len()
                    + it.as_written.len()
                    + it.note.len()
            }
        }
    }

    /// With its names.
    pub fn told(&self, names: &Names) -> Option<IndicatorChangeView> {
        match self {
            Self::Definition(it) => Some(IndicatorChangeView::Definition(Arc::clone(it))),
            Self::Observation(it) => {
                let definition = names.definitions.by_id(it.indicator_id)?;
                let row = it.as_ref().clone();
                Some(IndicatorChangeView::Observation(Box::new(names.observed(definition, row))))
            }
            Self::Target(it) => {
                let definition = names.definitions.by_id(it.indicator_id)?;
                Some(IndicatorChangeView::Target(Box::new(
                    names.aimed(definition, it.as_ref().clone()),
                )))
            }
        }
    }
}

/// The versions of definitions that a stretch of revisions made.
pub async fn definitions(
    db: &impl ConnectionTrait,
    stretch: &Stretch,
) -> Result<Vec<IndicatorChange>> {
    use definition::Column::{Id, MadeAt};
    let Stretch { after, through, key, limit } = stretch;
    let mut rows = visible(*through).filter(MadeAt.gt(*after));
    if let Some(id) = key.as_deref().and_then(|it| it.parse::<i64>().ok()) {
        rows = rows.filter(Id.gt(id));
    }
    let rows = rows.order_by_asc(MadeAt).order_by_asc(Id).limit(*limit).all(db).await?;
    Ok(rows.into_iter().map(|it| IndicatorChange::Definition(Arc::new(it.into()))).collect())
}

/// The versions of observations that a stretch of revisions made.
pub async fn made_observations(
    db: &impl ConnectionTrait,
    stretch: &Stretch,
) -> Result<Vec<IndicatorChange>> {
    use observation::Column;
    let Stretch { after, through, key, limit } = stretch;
    let mut rows = every_observation(*through).filter(Column::MadeAt.gt(*after));
    if let Some(key) = key.as_deref().and_then(Key::parse) {
        rows = rows.filter(key.before(Column::IndicatorId, key.before_observation()));
    }
    let rows = in_order(rows.order_by_asc(Column::MadeAt)).limit(*limit).all(db).await?;
    Ok(rows.into_iter().map(|it| IndicatorChange::Observation(Arc::new(it))).collect())
}

/// The versions of targets that a stretch of revisions made.
pub async fn made_targets(
    db: &impl ConnectionTrait,
    stretch: &Stretch,
) -> Result<Vec<IndicatorChange>> {
    use target::Column;
    let Stretch { after, through, key, limit } = stretch;
    let mut rows = every_target(*through).filter(Column::MadeAt.gt(*after));
    if let Some(key) = key.as_deref().and_then(Key::parse) {
        rows = rows.filter(key.before(Column::IndicatorId, key.before_target()));
    }
    let rows = targets_in_order(rows.order_by_asc(Column::MadeAt)).limit(*limit).all(db).await?;
    Ok(rows.into_iter().map(|it| IndicatorChange::Target(Arc::new(it))).collect())
}

/// A question for a piece of the state at a revision.
#[derive(Debug)]
pub struct State<'a> {
    /// The indicators.
    pub definitions: &'a [Arc<Definition>],
    /// The units; all where there are none.
    pub units: Option<&'a HashSet<i64>>,
    /// The revision.
    pub revision: i64,
    /// After this key.
    pub after: &'a str,
    /// At most so many.
    pub limit: u64,
}

/// Observations that stood at a revision, in the order of their keys.
pub async fn state_observations(
    db: &impl ConnectionTrait,
    state: &State<'_>,
) -> Result<Vec<IndicatorChange>> {
    use observation::Column;
    let State { definitions, units, revision, after, limit } = state;
    let asked = |definitions: &[Arc<Definition>], after: Option<&Key>| {
        let mut rows = observations(definitions, *revision);
        if let Some(units) = units {
            rows = rows.filter(Column::UnitId.is_in(units.iter().copied()));
        }
        if let Some(key) = after {
            rows = rows.filter(key.before_observation());
        }
        in_order(rows)
    };
    let stretch = order::RowRange { definitions, after: Key::parse(after), limit: *limit };
    let rows = stretch.read(db, asked).await?;
    Ok(rows.into_iter().map(|it| IndicatorChange::Observation(Arc::new(it))).collect())
}

/// Targets that stood at a revision, in the order of their keys.
pub async fn state_targets(
    db: &impl ConnectionTrait,
    state: &State<'_>,
) -> Result<Vec<IndicatorChange>> {
    use target::Column;
    let State { definitions, units, revision, after, limit } = state;
    let asked = |definitions: &[Arc<Definition>], after: Option<&Key>| {
        let mut rows = targets(definitions, *revision);
        if let Some(units) = units {
            rows = rows.filter(Column::UnitId.is_in(units.iter().copied()));
        }
        if let Some(key) = after {
            rows = rows.filter(key.before_target());
        }
        targets_in_order(rows)
    };
    let stretch = order::RowRange { definitions, after: Key::parse(after), limit: *limit };
    let rows = stretch.read(db, asked).await?;
    Ok(rows.into_iter().map(|it| IndicatorChange::Target(Arc::new(it))).collect())
}
