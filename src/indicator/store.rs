//! What we ask the database about indicators: the doors, and the definitions.
pub mod availability;
pub mod changes;
pub mod compute;
pub mod export;
pub mod follow;
mod keep;
mod latest;
pub mod publish;
pub mod read;
pub mod snapshot;
mod version_buffer;
pub mod withdraw;

use std::sync::Arc;

use sea_orm::{ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, Select};

use super::{
    Define, Definition, Meaning,
    definitions::Definitions,
    queries::{Get, List},
    row::{definition, observation, target},
};
use crate::{
    caller::{Caller, any, directory::Directory},
    error::{Error, Result},
    hub::{BatchOutcome, Hub, WriteOp, reference::Reference},
    outcome::Outcome,
    page::Paged,
    revision::touched::TouchedSet,
    revision::versioned::{every, standing, supersede},
    revision::{ReferenceData, Revision, committer::Write, receipt::ItemResult},
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

/// Definitions to be kept, as they were read: each one, or why it is refused.
#[derive(Clone, Debug)]
pub struct DefineIndicators(pub Vec<Result<Define>>);

impl WriteOp for DefineIndicators {
    type Output = BatchOutcome;

    async fn run(self, hub: &Hub, write: &Write, caller: &Caller) -> Result<BatchOutcome> {
        let Self(entries) = self;
        let known = hub.reference::<Definitions>(write).await?;
        let directory = hub.reference::<Directory>(write).await?;
        let mut next_id = known.next_id();
        let (mut made, mut items): (Vec<Definition>, _) = (Vec::new(), Vec::new());
        for entry in entries {
            items.push(entry.and_then(|Define { code, meaning, expected }| {
                if !any(&caller.grants().define_indicators, code.as_str()) {
                    return Err(Error::not_permitted("define_indicators").at("code"));
                }
                let source = meaning.authoritative_source.as_str();
                if directory.by_code(source).is_none() {
                    let rule = "be the code of a registered system";
                    return Err(Error::field("authoritative_source", rule));
                }
                if let Some(earlier) = made.iter().find(|it| it.code == code) {
                    return match earlier.meaning == meaning {
                        true => Ok(ItemResult::new(Outcome::Unchanged, 0)),
                        false => Err(Error::field("code", "not stand in this batch twice")),
                    };
                }
                let made_at = write.revision.number;
                let known = known.known(&code);
                if known.is_some_and(|it| it.meaning == meaning) {
                    return Ok(ItemResult::new(Outcome::Unchanged, 0));
                }
                expected.check("indicator", code.as_str(), known.map_or(0, |it| it.made_at))?;
                let (id, version, outcome) = match known {
                    Some(old) => (old.id, old.version + 1, Outcome::Corrected),
                    None => {
                        next_id += 1;
                        (next_id - 1, 1, Outcome::Created)
                    }
                };
                made.push(Definition { id, code, version, meaning, made_at });
                Ok(ItemResult::new(outcome, 0))
            }));
        }
        let ended: Vec<_> = made.iter().filter(|it| it.version > 1).map(|it| it.id).collect();
        if !ended.is_empty() {
            supersede::<definition::Entity>(write, definition::Column::Id.is_in(ended)).await?;
        }
        for chunk in made.chunks(crate::db::MOST_BINDS / 26) {
            let rows = chunk.iter().cloned().map(definition::ActiveModel::from);
            definition::Entity::insert_many(rows).exec_without_returning(&write.db).await?;
        }
        Ok(BatchOutcome { items, touched: TouchedSet::INDICATORS })
    }
}

// === rows in and out ===

impl From<definition::Model> for Definition {
    fn from(row: definition::Model) -> Self {
        let definition::Model {
            id,
            code,
            version,
            name_vi,
            name_en,
            description,
            kind,
            unit_of_measure,
            scale,
            direction,
            frequency,
            calendar,
            time_rule,
            unit_rule,
            numerator,
            denominator,
            legal_basis,
            owner_agency,
            authoritative_source,
            due_days,
            sharing_level,
            collection_level,
            tree,
            retired,
            made_at,
            superseded_at: _,
        } = row;
        let meaning = Meaning {
            name_vi,
            name_en,
            description,
            kind,
            unit_of_measure,
            scale,
            direction,
            frequency,
            calendar,
            time_rule,
            unit_rule,
            numerator,
            denominator,
            legal_basis,
            owner_agency,
            authoritative_source,
            due_days,
            sharing_level,
            collection_level,
            tree,
            retired,
        };
        Self { id, code, version, meaning, made_at }
    }
}

impl From<Definition> for definition::ActiveModel {
    fn from(definition: Definition) -> Self {
        let Definition { id, code, version, meaning, made_at } = definition;
        let Meaning {
            name_vi,
            name_en,
            description,
            kind,
            unit_of_measure,
            scale,
            direction,
            frequency,
            calendar,
            time_rule,
            unit_rule,
            numerator,
            denominator,
            legal_basis,
            owner_agency,
            authoritative_source,
            due_days,
            sharing_level,
            collection_level,
            tree,
            retired,
        } = meaning;
        Self {
            id: Set(id),
            code: Set(code),
            version: Set(version),
            name_vi: Set(name_vi),
            name_en: Set(name_en),
            description: Set(description),
            kind: Set(kind),
            unit_of_measure: Set(unit_of_measure),
            scale: Set(scale),
            direction: Set(direction),
            frequency: Set(frequency),
            calendar: Set(calendar),
            time_rule: Set(time_rule),
            unit_rule: Set(unit_rule),
            numerator: Set(numerator),
            denominator: Set(denominator),
            legal_basis: Set(legal_basis),
            owner_agency: Set(owner_agency),
            authoritative_source: Set(authoritative_source),
            due_days: Set(due_days),
            sharing_level: Set(sharing_level),
            collection_level: Set(collection_level),
            tree: Set(tree),
            retired: Set(retired),
            made_at: Set(made_at),
            superseded_at: Set(None),
        }
    }
}
