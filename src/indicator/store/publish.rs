//! Keeps observations and targets: checks each entry, compares it with what stands, supersedes what differs.
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use sea_orm::{
    ActiveModelTrait, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, sea_query::Expr,
};

use super::{observations, targets};
use crate::{
    access::{Caller, any},
    db::MOST_BINDS,
    decimal::Decimal,
    error::{Error, Reason, Result},
    hub::{Batch, Hub},
    indicator::{
        Code, Comparison, Definition, Direction, Kind, ObservationEntry, Provenance, Qualifier,
        Reading, TargetEntry,
        definitions::Definitions,
        row::{observation, target},
    },
    period::Period,
    revision::{
        committer::Write,
        receipt::{ItemResult, Outcome},
    },
    time::{Day, Span},
    unit::{self, forest::Forest},
};

/// Units in one statement, at most.
const CHUNK: usize = 5_000;

/// What entries are checked against.
struct Desk<'a> {
    caller: &'a Caller,
    definitions: Arc<Definitions>,
    forest: Arc<Forest>,
}

impl Desk<'_> {
    /// Finds the indicator, and checks that the caller may publish it.
    fn definition(&self, code: &Code) -> Result<Arc<Definition>> {
        let visible = self.definitions.visible(self.caller, code);
        let definition = Arc::clone(visible.map_err(|err| err.at("indicator"))?);
        if !any(&self.caller.grants().publish_indicators, code.as_str()) {
            return Err(Error::not_permitted("publish_indicators").at("indicator"));
        }
        let source = &definition.meaning.authoritative_source;
        if *source != self.caller.system.code {
            let what = format!("only `{}` publishes `{}`", source.as_str(), code.as_str());
            let err = Error::new(Reason::NotAuthoritative, what).with("source", source.as_str());
            return Err(err.at("indicator"));
        }
        Ok(definition)
    }

    /// Finds the unit, which must stand in the period.
    fn unit(&self, unit: &unit::Ref, period: Period, range: Span) -> Result<i64> {
        let unit = self.forest.resolve(unit, range.to, "unit")?;
        if !unit.span.overlaps(range) {
            let valid = unit::forest::spell(unit.span);
            let rule = format!("be valid in {period}; {} is valid {valid}", unit.name);
            return Err(Error::field("unit", rule));
        }
        Ok(unit.id)
    }
}

/// The unit, unless it or the rest of the entry is refused: then the fields of both are named at once.
fn both(unit: Result<i64>, rest: Result<()>) -> Result<i64> {
    match (unit, rest) {
        (Err(unit), Err(rest)) if unit.reason() == Reason::FieldInvalid => {
            Err(Error::fields([unit.violations(), rest.violations()].concat()))
        }
        (Ok(_), Err(rest)) => Err(rest),
        (unit, _) => unit,
    }
}

/// Keeps observations.
pub async fn publish_observations(
    hub: &Hub,
    write: &Write,
    caller: &Caller,
    entries: Vec<Result<ObservationEntry>>,
) -> Result<Batch> {
    let desk = Desk {
        caller,
        definitions: hub.definitions_in(write).await?,
        forest: hub.forest_in(write).await?,
    };
    let drafts: Vec<Result<(Arc<Definition>, observation::Model)>> =
        entries.into_iter().map(|it| it.and_then(|it| desk.observation(write, it))).collect();
    let mut asked: BTreeMap<(i64, Period), (Arc<Definition>, Vec<i64>)> = BTreeMap::new();
    for (definition, row) in drafts.iter().flatten() {
        let group = asked.entry((definition.id, row.period));
        group.or_insert_with(|| (Arc::clone(definition), Vec::new())).1.push(row.unit_id);
    }
    let mut standing = HashMap::new();
    for ((_, period), (definition, units)) in asked {
        for units in units.chunks(CHUNK) {
            let rows = observations(&[Arc::clone(&definition)], write.head.newest.number)
                .filter(observation::Column::Period.eq(period))
                .filter(observation::Column::UnitId.is_in(units.iter().copied()))
                .all(&write.db)
                .await?;
            standing.extend(rows.into_iter().map(|it| (observation_key(&it), it)));
        }
    }
    let mut made: HashMap<_, (usize, observation::Model)> = HashMap::new();
    let mut ended = Vec::new();
    let mut items = Vec::with_capacity(drafts.len());
    for (index, draft) in drafts.into_iter().enumerate() {
        items.push(draft.and_then(|(definition, row)| {
            let key = observation_key(&row);
            if let Some((earlier, first)) = made.get(&key) {
                return repeated(same_observation(first, &row), *earlier);
            }
            let outcome = match standing.get(&key) {
                Some(old) if same_observation(old, &row) => {
                    return Ok(ItemResult::new(Outcome::Unchanged, 0));
                }
                Some(_) => {
                    ended.push(key.clone());
                    Outcome::Corrected
                }
                None if definition.meaning.retired => {
                    return Err(Error::field("indicator", "not be retired"));
                }
                None => Outcome::Created,
            };
            made.insert(key, (index, row));
            Ok(ItemResult::new(outcome, 0))
        }));
    }
    end_observations(write, ended).await?;
    let mut rows: Vec<_> = made.into_values().collect();
    rows.sort_by_key(|(index, _)| *index);
    for chunk in rows.chunks(MOST_BINDS / 25) {
        let rows = chunk.iter().map(|(_, row)| row.clone().into_active_model().reset_all());
        observation::Entity::insert_many(rows).exec_without_returning(&write.db).await?;
    }
    Ok(Batch { items, touched: 0 })
}

/// Keeps targets.
pub async fn publish_targets(
    hub: &Hub,
    write: &Write,
    caller: &Caller,
    entries: Vec<Result<TargetEntry>>,
) -> Result<Batch> {
    let desk = Desk {
        caller,
        definitions: hub.definitions_in(write).await?,
        forest: hub.forest_in(write).await?,
    };
    let drafts: Vec<Result<(Arc<Definition>, target::Model)>> =
        entries.into_iter().map(|it| it.and_then(|it| desk.target(write, it))).collect();
    let mut asked: BTreeMap<(i64, Period), (Arc<Definition>, Vec<i64>)> = BTreeMap::new();
    for (definition, row) in drafts.iter().flatten() {
        let group = asked.entry((definition.id, row.period));
        group.or_insert_with(|| (Arc::clone(definition), Vec::new())).1.push(row.unit_id);
    }
    let mut standing = HashMap::new();
    for ((_, period), (definition, units)) in asked {
        for units in units.chunks(CHUNK) {
            let rows = targets(&[Arc::clone(&definition)], write.head.newest.number)
                .filter(target::Column::Period.eq(period))
                .filter(target::Column::UnitId.is_in(units.iter().copied()))
                .all(&write.db)
                .await?;
            standing.extend(rows.into_iter().map(|it| (target_key(&it), it)));
        }
    }
    let mut made: HashMap<_, (usize, target::Model)> = HashMap::new();
    let mut ended = Vec::new();
    let mut items = Vec::with_capacity(drafts.len());
    for (index, draft) in drafts.into_iter().enumerate() {
        items.push(draft.and_then(|(_, row)| {
            let key = target_key(&row);
            if let Some((earlier, first)) = made.get(&key) {
                return repeated(same_target(first, &row), *earlier);
            }
            let outcome = match standing.get(&key) {
                Some(old) if same_target(old, &row) => {
                    return Ok(ItemResult::new(Outcome::Unchanged, 0));
                }
                Some(_) => {
                    ended.push(key);
                    Outcome::Corrected
                }
                None => Outcome::Created,
            };
            made.insert(key, (index, row));
            Ok(ItemResult::new(outcome, 0))
        }));
    }
    end_targets(write, ended).await?;
    let mut rows: Vec<_> = made.into_values().collect();
    rows.sort_by_key(|(index, _)| *index);
    for chunk in rows.chunks(MOST_BINDS / 18) {
        let rows = chunk.iter().map(|(_, row)| row.clone().into_active_model().reset_all());
        target::Entity::insert_many(rows).exec_without_returning(&write.db).await?;
    }
    Ok(Batch { items, touched: 0 })
}

/// An item whose key stands earlier in the same batch: the same again is nothing new, anything else is a contradiction.
fn repeated(is_same: bool, earlier: usize) -> Result<ItemResult> {
    if is_same {
        return Ok(ItemResult::new(Outcome::Unchanged, 0));
    }
    let rule = format!("not contradict item {earlier} of the same batch");
    Err(Error::field("period", rule))
}

impl Desk<'_> {
    fn observation(
        &self,
        write: &Write,
        entry: ObservationEntry,
    ) -> Result<(Arc<Definition>, observation::Model)> {
        let ObservationEntry {
            indicator,
            unit,
            period,
            breakdown,
            value,
            numerator,
            denominator,
            qualifier,
            status,
            as_of,
            provenance,
            correction_reason,
        } = entry;
        let definition = self.definition(&indicator)?;
        let range = definition.meaning.range(period);
        let reading = Reading {
            value,
            numerator,
            denominator,
            qualifier,
            status,
            definition_version: definition.version,
        };
        let checked = check_reading(&definition, &reading, as_of, range);
        let unit_id = both(self.unit(&unit, period, range), checked)?;
        let inconsistent = contradicts(&reading, definition.meaning.scale.as_ref());
        let Provenance { channel, source_document, source_record, quote, as_written, note } =
            provenance;
        let Reading { value, numerator, denominator, qualifier, status, definition_version } =
            reading;
        let row = observation::Model {
            indicator_id: definition.id,
            unit_id,
            period_end: range.to,
            period,
            breakdown: breakdown.to_string(),
            made_at: write.revision.number,
            superseded_at: None,
            committed_at: write.revision.at,
            period_start: range.from,
            value,
            numerator,
            denominator,
            qualifier,
            status,
            as_of,
            inconsistent,
            definition_version,
            source_id: self.caller.system_id,
            channel,
            source_document,
            source_record,
            quote,
            as_written,
            note,
            correction_reason,
        };
        Ok((definition, row))
    }

    fn target(
        &self,
        write: &Write,
        entry: TargetEntry,
    ) -> Result<(Arc<Definition>, target::Model)> {
        let TargetEntry { indicator, unit, period, comparison, value, provenance } = entry;
        let definition = self.definition(&indicator)?;
        let range = definition.meaning.range(period);
        let wrong_way = match (definition.meaning.direction, comparison) {
            (Direction::MoreIsBetter, Comparison::AtMost | Comparison::LessThan)
            | (Direction::LessIsBetter, Comparison::AtLeast | Comparison::MoreThan) => true,
            (
                Direction::MoreIsBetter | Direction::LessIsBetter | Direction::Neither,
                Comparison::AtLeast
                | Comparison::MoreThan
                | Comparison::AtMost
                | Comparison::LessThan
                | Comparison::Qualitative,
            ) => false,
        };
        let checked = match wrong_way {
            true => Err(Error::field("comparison", "go the way in which the indicator is better")),
            false => Ok(()),
        };
        let unit_id = both(self.unit(&unit, period, range), checked)?;
        let Provenance { channel, source_document, source_record, quote, as_written, note } =
            provenance;
        let row = target::Model {
            indicator_id: definition.id,
            unit_id,
            period_end: range.to,
            period,
            made_at: write.revision.number,
            superseded_at: None,
            committed_at: write.revision.at,
            period_start: range.from,
            comparison,
            value,
            definition_version: definition.version,
            source_id: self.caller.system_id,
            channel,
            source_document,
            source_record,
            quote,
            as_written,
            note,
        };
        Ok((definition, row))
    }
}

/// What the kind of the indicator asks of a reading, and the period of its moment.
fn check_reading(
    definition: &Definition,
    reading: &Reading,
    as_of: Option<Day>,
    range: Span,
) -> Result<()> {
    let Reading { value, numerator, denominator, qualifier: _, status: _, definition_version: _ } =
        reading;
    let kind = definition.meaning.kind;
    let mut fields = crate::wire::Fields::default();
    if kind != Kind::Ratio {
        for (field, component) in [("numerator", numerator), ("denominator", denominator)] {
            if component.is_some() {
                fields.refuse(field, "be absent: only a ratio has components");
            }
        }
    }
    if reading.status.has_value() && value.is_none() {
        let computable = numerator.is_some() && denominator.is_some();
        if kind == Kind::Ratio && !computable {
            fields.refuse("value", "be given, unless both components are");
        } else if kind != Kind::Ratio {
            fields.refuse("value", "be given, unless the status says why there is none");
        }
    }
    if kind == Kind::Count
        && value.as_ref().is_some_and(|it| it.is_negative() || it.scale_digits() > 0)
    {
        fields.refuse("value", "be a whole number, not negative: the indicator is a count");
    }
    if as_of.is_some_and(|it| !range.contains(it)) {
        let rule = format!("lie inside the period, {} to {}", range.from, range.to);
        fields.refuse("as_of", rule);
    }
    fields.done(|| Some(()))
}

/// Whether the value and the components contradict each other beyond the value's rounding.
fn contradicts(reading: &Reading, scale: Option<&Decimal>) -> bool {
    let (Some(value), Some(quotient)) = (&reading.value, reading.quotient(scale)) else {
        return false;
    };
    match reading.qualifier {
        Qualifier::Exact => !value.is_rounding_of(&quotient),
        Qualifier::MoreThan | Qualifier::AtLeast => quotient < *value,
        Qualifier::LessThan | Qualifier::AtMost => quotient > *value,
        Qualifier::About => false,
    }
}

type ObservationKey = (i64, i64, Period, String);
type TargetKey = (i64, i64, Period);

fn observation_key(row: &observation::Model) -> ObservationKey {
    (row.indicator_id, row.unit_id, row.period, row.breakdown.clone())
}

fn target_key(row: &target::Model) -> TargetKey {
    (row.indicator_id, row.unit_id, row.period)
}

/// Whether two versions say the same. When, under which version of the definition and why they were published is not
/// what they say: sending a value again does not make it a new one.
fn same_observation(a: &observation::Model, b: &observation::Model) -> bool {
    let b = observation::Model {
        made_at: a.made_at,
        superseded_at: a.superseded_at,
        committed_at: a.committed_at,
        definition_version: a.definition_version,
        correction_reason: a.correction_reason.clone(),
        ..b.clone()
    };
    *a == b
}

fn same_target(a: &target::Model, b: &target::Model) -> bool {
    let b = target::Model {
        made_at: a.made_at,
        superseded_at: a.superseded_at,
        committed_at: a.committed_at,
        definition_version: a.definition_version,
        ..b.clone()
    };
    *a == b
}

#[expect(clippy::disallowed_methods, reason = "the one place where versions of observations end")]
async fn end_observations(write: &Write, ended: Vec<ObservationKey>) -> Result<()> {
    use observation::Column;
    let mut groups: BTreeMap<(i64, Period, String), Vec<i64>> = BTreeMap::new();
    for (indicator_id, unit_id, period, breakdown) in ended {
        groups.entry((indicator_id, period, breakdown)).or_default().push(unit_id);
    }
    for ((indicator_id, period, breakdown), units) in groups {
        for units in units.chunks(CHUNK) {
            observation::Entity::update_many()
                .col_expr(Column::SupersededAt, Expr::value(write.revision.number))
                .filter(Column::IndicatorId.eq(indicator_id))
                .filter(Column::Period.eq(period))
                .filter(Column::Breakdown.eq(breakdown.as_str()))
                .filter(Column::UnitId.is_in(units.iter().copied()))
                .filter(Column::SupersededAt.is_null())
                .exec(&write.db)
                .await?;
        }
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "the one place where versions of targets end")]
async fn end_targets(write: &Write, ended: Vec<TargetKey>) -> Result<()> {
    use target::Column;
    let mut groups: BTreeMap<(i64, Period), Vec<i64>> = BTreeMap::new();
    for (indicator_id, unit_id, period) in ended {
        groups.entry((indicator_id, period)).or_default().push(unit_id);
    }
    for ((indicator_id, period), units) in groups {
        for units in units.chunks(CHUNK) {
            target::Entity::update_many()
                .col_expr(Column::SupersededAt, Expr::value(write.revision.number))
                .filter(Column::IndicatorId.eq(indicator_id))
                .filter(Column::Period.eq(period))
                .filter(Column::UnitId.is_in(units.iter().copied()))
                .filter(Column::SupersededAt.is_null())
                .exec(&write.db)
                .await?;
        }
    }
    Ok(())
}
