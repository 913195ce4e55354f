//! Defines indicators: refuses changes of what values fix, and decides which changes make a version.
use std::{collections::HashMap, sync::Arc};

use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, PaginatorTrait, QuerySelect};

use super::{contributions, observations, targets};
use crate::{
    caller::{Caller, any, directory::Directory},
    error::{Error, Reason, Result},
    hub::{BatchOutcome, Hub, WriteOp},
    indicator::{
        Code, Define, Definition, Meaning,
        definitions::Definitions,
        group::{DefineGroup, GroupLabel, IndicatorGroup},
        row::{definition, group},
    },
    outcome::Outcome,
    revision::{receipt::ItemResult, touched::TouchedSet, versioned::supersede, write::Write},
    unit::Tree,
};

/// A batch of definitions in progress.
struct DefinitionsDraft<'a> {
    write: &'a Write,
    caller: &'a Caller,
    known: Arc<Definitions>,
    directory: Arc<Directory>,
    next_id: i64,
    made: Vec<Definition>,
    made_groups: Vec<IndicatorGroup>,
}

/// Definitions and groups to be defined: each as it was read, or its refusal.
#[derive(Clone, Debug)]
pub struct DefineIndicators {
    /// The definitions.
    pub indicators: Vec<Result<Define>>,
    /// The groups, which are written first.
    pub groups: Vec<Result<DefineGroup>>,
}

impl WriteOp for DefineIndicators {
    type Output = BatchOutcome;

    async fn run(self, hub: &Hub, write: &Write, caller: &Caller) -> Result<BatchOutcome> {
        let Self { indicators: entries, groups } = self;
        let known = hub.reference::<Definitions>(write).await?;
        let directory = hub.reference::<Directory>(write).await?;
        let next_id = known.next_id();
        let (made, made_groups) = (Vec::new(), Vec::new());
        let mut draft =
            DefinitionsDraft { write, caller, known, directory, next_id, made, made_groups };
        let groups: Vec<_> =
            groups.into_iter().map(|it| it.and_then(|it| draft.group(it))).collect();
        let trees: HashMap<Code, Tree> =
            entries.iter().flatten().map(|it| (it.code.clone(), it.meaning.tree)).collect();
        let mut items = Vec::with_capacity(entries.len() + groups.len());
        for entry in entries {
            let item = match entry {
                Ok(entry) => draft.item(entry, &trees).await,
                Err(err) => Err(err),
            };
            items.push(item);
        }
        items.extend(groups);
        let (made, made_groups) = (draft.made, draft.made_groups);
        let ended: Vec<_> = made.iter().map(|it| it.id).collect();
        if !ended.is_empty() {
            supersede::<definition::Entity>(write, definition::Column::Id.is_in(ended)).await?;
        }
        for chunk in made.chunks(crate::db::MOST_BINDS / COLUMNS) {
            let rows = chunk.iter().cloned().map(definition::ActiveModel::from);
            definition::Entity::insert_many(rows).exec_without_returning(&write.db).await?;
        }
        keep_groups(write, made_groups).await?;
        Ok(BatchOutcome::new(items, TouchedSet::INDICATORS))
    }
}

async fn keep_groups(write: &Write, made: Vec<IndicatorGroup>) -> Result<()> {
    for chunk in made.chunks(crate::db::MOST_BINDS / GROUP_COLUMNS) {
        let codes = chunk.iter().map(|it| it.code.clone());
        supersede::<group::Entity>(write, group::Column::Code.is_in(codes)).await?;
        let rows = chunk.iter().cloned().map(group::ActiveModel::from);
        group::Entity::insert_many(rows).exec_without_returning(&write.db).await?;
    }
    Ok(())
}

/// Columns of the table of definitions.
const COLUMNS: usize = 34;
/// Columns of the table of groups.
const GROUP_COLUMNS: usize = 6;

impl DefinitionsDraft<'_> {
    /// `trees` are those of the definitions in this request.
    async fn item(&mut self, entry: Define, trees: &HashMap<Code, Tree>) -> Result<ItemResult> {
        let Define { code, meaning, expected } = entry;
        if !any(&self.caller.grants().define_indicators, code.as_str()) {
            return Err(Error::not_permitted("define_indicators").at("code"));
        }
        let source = meaning.authoritative_source.as_str();
        if self.directory.by_code(source).is_none() {
            let rule = "be the code of a registered system";
            return Err(Error::field("authoritative_source", rule));
        }
        self.must_refer(&code, &meaning, trees)?;
        if let Some(earlier) = self.made.iter().find(|it| it.code == code) {
            return match earlier.meaning == meaning {
                true => Ok(ItemResult::new(Outcome::Unchanged, 0)),
                false => Err(Error::field("code", "not stand in this batch twice")),
            };
        }
        let made_at = self.write.revision.number;
        let known = self.known.known(&code).cloned();
        if known.as_ref().is_some_and(|it| it.meaning == meaning) {
            return Ok(ItemResult::new(Outcome::Unchanged, 0));
        }
        let stands_at = known.as_ref().map_or(0, |it| it.made_at);
        expected.check("indicator", code.as_str(), stands_at)?;
        let (id, version, outcome) = match &known {
            Some(old) => {
                self.must_not_move(old, &meaning).await?;
                let next = old.version + i32::from(old.meaning.makes_version(&meaning));
                (old.id, next, Outcome::Corrected)
            }
            None => {
                self.next_id += 1;
                (self.next_id - 1, 1, Outcome::Created)
            }
        };
        self.made.push(Definition { id, code, version, meaning, made_at });
        Ok(ItemResult::new(outcome, 0))
    }

    fn group(&mut self, entry: DefineGroup) -> Result<ItemResult> {
        let DefineGroup { code, label, expected } = entry;
        if !any(&self.caller.grants().define_indicators, code.as_str()) {
            return Err(Error::not_permitted("define_indicators").at("code"));
        }
        if let Some(earlier) = self.made_groups.iter().find(|it| it.code == code) {
            return match earlier.label == label {
                true => Ok(ItemResult::new(Outcome::Unchanged, 0)),
                false => Err(Error::field("code", "not stand in this batch twice")),
            };
        }
        let known = self.known.group(&code);
        if known.is_some_and(|it| it.label == label) {
            return Ok(ItemResult::new(Outcome::Unchanged, 0));
        }
        expected.check("group", code.as_str(), known.map_or(0, |it| it.made_at))?;
        let outcome = if known.is_some() { Outcome::Corrected } else { Outcome::Created };
        let made_at = self.write.revision.number;
        self.made_groups.push(IndicatorGroup { code, label, made_at });
        Ok(ItemResult::new(outcome, 0))
    }

    /// Refuses a definition that names itself, a group or an indicator which is not there, or a weight of another tree:
    /// the units of one tree have no values in the other.
    fn must_refer(
        &self,
        code: &Code,
        meaning: &Meaning,
        trees: &HashMap<Code, Tree>,
    ) -> Result<()> {
        if let Some(named) = &meaning.group {
            let is_made = self.made_groups.iter().any(|it| it.code == *named);
            if !is_made && self.known.group(named).is_none() {
                let rule = "be the code of a group that is there, or in this request";
                return Err(Error::field("group", rule));
            }
        }
        let fields = [("continues", &meaning.continues), ("weight", &meaning.weight)];
        for (field, named) in fields {
            let Some(named) = named else { continue };
            let is_known =
                self.known.known_to(self.caller, named).is_ok() || trees.contains_key(named);
            if named == code || !is_known {
                return Err(Error::field(
                    field,
                    "be the code of another indicator that is defined",
                ));
            }
        }
        let tree_of = |named: &Code| {
            let known = || self.known.known(named).map(|it| it.meaning.tree);
            trees.get(named).copied().or_else(known)
        };
        if meaning.weight.as_ref().and_then(tree_of).is_some_and(|it| it != meaning.tree) {
            return Err(Error::field("weight", "be an indicator of the same tree"));
        }
        let weighs = |it: &&Arc<Definition>| {
            it.meaning.weight.as_ref() == Some(code) && tree_of(&it.code) != Some(meaning.tree)
        };
        if self.known.all().any(|it| weighs(&it)) {
            return Err(Error::field("tree", "be that of the indicators that this one weighs"));
        }
        Ok(())
    }

    /// Refuses to change what existing values mean.
    async fn must_not_move(&self, old: &Definition, next: &Meaning) -> Result<()> {
        let moved = old.meaning.moved(next);
        let Some(first) = moved.first() else { return Ok(()) };
        if !self.has_values(old).await? {
            return Ok(());
        }
        let (code, fields) = (old.code.as_str(), moved.join(", "));
        let what = format!(
            "`{code}` has values or targets, so {fields} must stay: define a new code that continues it"
        );
        Err(Error::new(Reason::MeaningFixed, what).with("fields", &fields).at(*first))
    }

    async fn has_values(&self, definition: &Definition) -> Result<bool> {
        let (definitions, number) = ([Arc::new(definition.clone())], self.write.head.newest.number);
        let db = &self.write.db;
        let values = observations(&definitions, number).limit(1).count(db).await?;
        Ok(values > 0
            || contributions(&definitions, number).limit(1).count(db).await? > 0
            || targets(&definitions, number).limit(1).count(db).await? > 0)
    }
}

// === rows in and out ===

impl From<group::Model> for IndicatorGroup {
    fn from(row: group::Model) -> Self {
        let group::Model { code, name_vi, name_en, display_order, made_at, superseded_at: _ } = row;
        Self { code, label: GroupLabel { name_vi, name_en, display_order }, made_at }
    }
}

impl From<IndicatorGroup> for group::ActiveModel {
    fn from(group: IndicatorGroup) -> Self {
        let IndicatorGroup { code, label, made_at } = group;
        let GroupLabel { name_vi, name_en, display_order } = label;
        Self {
            code: Set(code),
            name_vi: Set(name_vi),
            name_en: Set(name_en),
            display_order: Set(display_order),
            made_at: Set(made_at),
            superseded_at: Set(None),
        }
    }
}

impl From<definition::Model> for Definition {
    fn from(row: definition::Model) -> Self {
        let definition::Model {
            id,
            code,
            version,
            name_vi,
            name_en,
            description,
            description_en,
            kind,
            unit_of_measure,
            unit_of_measure_en,
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
            dimensions,
            group_code: group,
            display_order,
            decimals,
            continues,
            weight,
            made_at,
            superseded_at: _,
        } = row;
        let meaning = Meaning {
            name_vi,
            name_en,
            description,
            description_en,
            kind,
            unit_of_measure,
            unit_of_measure_en,
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
            dimensions,
            group,
            display_order,
            decimals,
            continues,
            weight,
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
            description_en,
            kind,
            unit_of_measure,
            unit_of_measure_en,
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
            dimensions,
            group,
            display_order,
            decimals,
            continues,
            weight,
        } = meaning;
        Self {
            id: Set(id),
            code: Set(code),
            version: Set(version),
            name_vi: Set(name_vi),
            name_en: Set(name_en),
            description: Set(description),
            description_en: Set(description_en),
            kind: Set(kind),
            unit_of_measure: Set(unit_of_measure),
            unit_of_measure_en: Set(unit_of_measure_en),
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
            dimensions: Set(dimensions),
            group_code: Set(group),
            display_order: Set(display_order),
            decimals: Set(decimals),
            continues: Set(continues),
            weight: Set(weight),
            made_at: Set(made_at),
            superseded_at: Set(None),
        }
    }
}
