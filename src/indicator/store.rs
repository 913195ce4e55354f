//! What we ask the database about indicators: the doors, and the definitions.
pub mod attainment;
pub mod availability;
pub mod changes;
pub mod comparison;
pub mod compute;
pub mod define;
pub mod export;
pub mod follow;
mod keep;
mod latest;
mod order;
mod parts;
pub mod publish;
pub mod read;
pub mod selection;
pub mod snapshot;
mod version_buffer;
mod weights;
pub mod withdraw;

use std::sync::Arc;

use sea_orm::{ColumnTrait, ConnectionTrait, QueryFilter, Select};

use super::{
    Definition,
    definitions::Definitions,
    queries::{Get, List},
    row::{definition, observation, target},
};
use crate::{
    caller::Caller,
    error::Result,
    hub::{Hub, reference::Reference},
    page::Paged,
    revision::versioned::{every, standing},
    revision::{ReferenceData, Revision},
};

/// The one door to definitions: every version that was made by a revision, for a number is read by the one it was
/// published under. What of them a caller may know, [`Definitions`] says.
fn visible(number: i64) -> Select<definition::Entity> {
    every(number)
}

/// The one door to observations: those of indicators that were found visible, as they stood at a revision.
fn observations(indicators: &[Arc<Definition>], number: i64) -> Select<observation::Entity> {
    let ids = indicators.iter().map(|it| it.id);
    every_standing(number).filter(observation::Column::IndicatorId.is_in(ids))
}

/// Of every indicator: for who names the indicators that were found visible by themselves.
fn every_standing(number: i64) -> Select<observation::Entity> {
    standing(number)
}

/// The same door, with the versions that were superseded by then.
fn every_version(indicators: &[Arc<Definition>], number: i64) -> Select<observation::Entity> {
    let ids = indicators.iter().map(|it| it.id);
    every_observation(number).filter(observation::Column::IndicatorId.is_in(ids))
}

/// Of every indicator: for the feed, which sorts out for each watch what it may see.
fn every_observation(number: i64) -> Select<observation::Entity> {
    every(number)
}

/// The one door to targets, likewise.
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
        Ok(Definitions::new(rows.into_iter().map(Into::into).collect()))
    }
}

/// One definition.
pub async fn get(hub: &Hub, caller: &Caller, get: Get) -> Result<(Revision, Arc<Definition>)> {
    let view = hub.revisions.view(caller, get.consistency).await?;
    let definitions = hub.reference::<Definitions>(&view).await?;
    Ok((view.revision, Arc::clone(definitions.known_to(caller, &get.code)?)))
}

/// A page of definitions.
pub async fn list(
    hub: &Hub,
    caller: &Caller,
    list: List,
) -> Result<(Revision, Paged<Arc<Definition>>)> {
    let List { code_prefix, page, consistency } = list;
    let (view, after) = hub.revisions.page(caller, consistency, &page).await?;
    let definitions = hub.reference::<Definitions>(&view).await?;
    let items: Vec<_> = definitions
        .all_known_to(caller)
        .filter(|it| it.code.as_str().starts_with(&code_prefix))
        .filter(|it| after.as_ref().is_none_or(|after| it.code.as_str() > after.as_str()))
        .take(page.size() + 1)
        .cloned()
        .collect();
    let page = page.cut(items, &hub.mark(caller, &view), |last| last.code.as_str().to_owned());
    Ok((view.revision, page))
}
