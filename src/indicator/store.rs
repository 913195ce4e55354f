//! The doors to the tables of indicators, and the queries of definitions.
pub mod attainment;
pub mod availability;
pub mod catalogue;
pub mod changes;
pub mod comparison;
pub mod compute;
mod contribution;
pub mod define;
pub mod export;
pub mod follow;
mod keep;
mod latest;
mod newest;
mod order;
mod parts;
pub mod publish;
pub mod read;
pub mod rejections;
pub mod selection;
pub mod snapshot;
pub mod sources;
mod version_buffer;
pub mod versions;
mod weights;
pub mod withdraw;

use std::sync::Arc;

use sea_orm::{ColumnTrait, ConnectionTrait, QueryFilter, Select};

use super::{
    Definition,
    definitions::Definitions,
    queries::Get,
    row::{contribution as contributed, definition, group, observation, target},
};
use crate::{
    caller::Caller,
    error::Result,
    hub::{Hub, reference::Reference},
    revision::versioned::{every, standing},
    revision::{ReferenceData, Revision},
};

/// The one door to definitions: every version up to a revision, because a value is read by the version it was published
/// under. [`Definitions`] decides which of them a caller may know.
fn visible(number: i64) -> Select<definition::Entity> {
    every(number)
}

/// The one door to groups: those that stood at a revision. [`Definitions`] decides which of them a caller may know.
fn groups(number: i64) -> Select<group::Entity> {
    standing(number)
}

/// The one door to observations: those of indicators that were found visible, as they stood at a revision.
fn observations(indicators: &[Arc<Definition>], number: i64) -> Select<observation::Entity> {
    let ids = indicators.iter().map(|it| it.id);
    every_standing(number).filter(observation::Column::IndicatorId.is_in(ids))
}

/// Of every indicator, for callers that filter by visible indicators themselves.
fn every_standing(number: i64) -> Select<observation::Entity> {
    standing(number)
}

/// The same door, with the versions that were superseded by then.
fn every_version(indicators: &[Arc<Definition>], number: i64) -> Select<observation::Entity> {
    let ids = indicators.iter().map(|it| it.id);
    every_observation(number).filter(observation::Column::IndicatorId.is_in(ids))
}

/// Of every indicator: for the feed, which checks each watch's rights itself.
fn every_observation(number: i64) -> Select<observation::Entity> {
    every(number)
}

/// The one door to what other sources contributed, beside observations: of indicators that were found visible, as it
/// stood at a revision.
fn contributions(indicators: &[Arc<Definition>], number: i64) -> Select<contributed::Entity> {
    let ids = indicators.iter().map(|it| it.id);
    standing::<contributed::Entity>(number).filter(contributed::Column::IndicatorId.is_in(ids))
}

/// The same door, with the versions that were superseded by then.
fn every_contribution(indicators: &[Arc<Definition>], number: i64) -> Select<contributed::Entity> {
    let ids = indicators.iter().map(|it| it.id);
    every::<contributed::Entity>(number).filter(contributed::Column::IndicatorId.is_in(ids))
}

/// The one door to targets: those of visible indicators, as they stood at a revision.
fn targets(indicators: &[Arc<Definition>], number: i64) -> Select<target::Entity> {
    let ids = indicators.iter().map(|it| it.id);
    standing::<target::Entity>(number).filter(target::Column::IndicatorId.is_in(ids))
}

/// Of every indicator, and superseded ones too: for the feed.
fn every_target(number: i64) -> Select<target::Entity> {
    every(number)
}

impl Reference for Definitions {
    const WHICH: ReferenceData = ReferenceData::Indicators;

    /// Loads every definition as it stood at a revision.
    async fn load(db: &impl ConnectionTrait, number: i64) -> Result<Self> {
        let rows = visible(number).all(db).await?;
        let groups = groups(number).all(db).await?;
        let (definitions, groups) = (rows.into_iter(), groups.into_iter());
        Ok(Definitions::new(
            definitions.map(Into::into).collect(),
            groups.map(Into::into).collect(),
        ))
    }
}

/// One definition.
pub async fn get(hub: &Hub, caller: &Caller, get: Get) -> Result<(Revision, Arc<Definition>)> {
    let view = hub.revisions.view(caller, get.consistency).await?;
    let definitions = hub.reference::<Definitions>(&view).await?;
    Ok((view.revision, Arc::clone(definitions.known_to(caller, &get.code)?)))
}
