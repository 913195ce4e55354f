//! Every definition at one revision, in memory, and which of them a caller may know.
use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

use super::{Code, Definition, Meaning, group::IndicatorGroup};
use crate::{
    caller::{Caller, any},
    error::{Error, Result},
    fold,
    slug::Slug,
};

/// Definitions by code: the newest version of each, and earlier ones for the values published under them.
#[derive(Debug, Default)]
pub struct Definitions {
    by_code: BTreeMap<Code, Arc<Definition>>,
    by_id: BTreeMap<i64, Arc<Definition>>,
    versions: BTreeMap<(i64, i32), Arc<Definition>>,
    groups: BTreeMap<Slug, Arc<IndicatorGroup>>,
    /// The searchable words of each, folded, by its id; built at the first search.
    said: OnceLock<BTreeMap<i64, String>>,
}

impl Definitions {
    /// Builds from every row of each, and the standing groups. A version may have several rows: its newest labels
    /// count.
    pub fn new(mut all: Vec<Definition>, groups: Vec<IndicatorGroup>) -> Self {
        let groups = groups.into_iter().map(|it| (it.code.clone(), Arc::new(it))).collect();
        let mut definitions = Self { groups, ..Self::default() };
        all.sort_by_key(|it| it.made_at);
        for one in all {
            definitions.versions.insert((one.id, one.version), Arc::new(one));
        }
        // In the order of versions: the newest stays.
        for one in definitions.versions.values() {
            definitions.by_id.insert(one.id, Arc::clone(one));
            definitions.by_code.insert(one.code.clone(), Arc::clone(one));
        }
        definitions
    }

    /// The version of a definition that something was published under.
    pub fn version(&self, definition: &Arc<Definition>, version: i32) -> Arc<Definition> {
        Arc::clone(self.versions.get(&(definition.id, version)).unwrap_or(definition))
    }

    /// The definition with this code, without a check of rights: for the hub's own use.
    pub fn known(&self, code: &Code) -> Option<&Arc<Definition>> {
        self.by_code.get(code)
    }

    /// The definition with this code, if the caller may know of it.
    pub fn known_to(&self, caller: &Caller, code: &Code) -> Result<&Arc<Definition>> {
        self.known(code)
            .filter(|it| caller.knows_indicator(it.code.as_str()))
            .ok_or_else(|| Error::not_found("indicator", code.as_str()))
    }

    /// The definition with this code, if the call may be answered with data of it.
    pub fn visible(&self, caller: &Caller, code: &Code) -> Result<&Arc<Definition>> {
        self.known(code)
            .filter(|it| caller.sees_indicator(it.code.as_str()))
            .ok_or_else(|| Error::not_found("indicator", code.as_str()))
    }

    /// The definitions with these codes, in their order; all bad codes are named at once.
    pub fn visible_all(&self, caller: &Caller, codes: &[Code]) -> Result<Vec<Arc<Definition>>> {
        let mut refused = Vec::new();
        let mut found = Vec::with_capacity(codes.len());
        for (index, code) in codes.iter().enumerate() {
            match self.visible(caller, code) {
                Ok(it) => found.push(Arc::clone(it)),
                Err(err) => refused.push((index, err)),
            }
        }
        Error::all(refused, "indicators").map(|()| found)
    }

    /// The definitions with these codes that the caller may know of; all bad codes are named at once.
    pub fn known_all(&self, caller: &Caller, codes: &[Code]) -> Result<Vec<Arc<Definition>>> {
        let mut refused = Vec::new();
        let mut found = Vec::with_capacity(codes.len());
        for (index, code) in codes.iter().enumerate() {
            match self.known_to(caller, code) {
                Ok(it) => found.push(Arc::clone(it)),
                Err(err) => refused.push((index, err)),
            }
        }
        Error::all(refused, "codes").map(|()| found)
    }

    /// Whether each of some folded words begins a word of a definition.
    pub fn says(&self, definition: &Definition, words: &[String]) -> bool {
        let said = || self.by_id.values().map(|it| (it.id, all_words(it))).collect();
        let said = self.said.get_or_init(said);
        let text = said.get(&definition.id).map_or("", String::as_str);
        words.iter().all(|it| text.contains(&format!(" {it}")))
    }

    /// The group with this code, without a check of rights: for the hub's own use.
    pub fn group(&self, code: &Slug) -> Option<&Arc<IndicatorGroup>> {
        self.groups.get(code)
    }

    /// The groups that hold an indicator that the caller may know of, or that it may define; by display order and code.
    pub fn groups_known_to(&self, caller: &Caller) -> Vec<Arc<IndicatorGroup>> {
        let mut known: BTreeMap<_, _> = self
            .all_known_to(caller)
            .filter_map(|it| self.groups.get(it.meaning.group.as_ref()?))
            .map(|it| ((it.label.display_order, &it.code), it))
            .collect();
        let own = &caller.grants().define_indicators;
        let defined = self.groups.values().filter(|it| any(own, it.code.as_str()));
        known.extend(defined.map(|it| ((it.label.display_order, &it.code), it)));
        known.into_values().cloned().collect()
    }

    /// Where a definition stands on a board: by its group's place and its own; what is in no group comes last.
    pub fn place(&self, definition: &Definition) -> (bool, i32, Option<Slug>, i32, Code) {
        let Meaning { group, display_order, .. } = &definition.meaning;
        let order = group.as_ref().and_then(|it| self.groups.get(it));
        let order = order.map_or(0, |it| it.label.display_order);
        (group.is_none(), order, group.clone(), *display_order, definition.code.clone())
    }

    /// Every definition, by code, without a check of rights: for the hub's own use.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Definition>> {
        self.by_code.values()
    }

    /// Every definition that the caller may know of, by code.
    pub fn all_known_to<'a>(
        &'a self,
        caller: &'a Caller,
    ) -> impl Iterator<Item = &'a Arc<Definition>> {
        self.by_code.values().filter(|it| caller.knows_indicator(it.code.as_str()))
    }

    /// Every definition with whose data the call may be answered, by code.
    pub fn shared_with<'a>(
        &'a self,
        caller: &'a Caller,
    ) -> impl Iterator<Item = &'a Arc<Definition>> {
        self.by_code.values().filter(|it| caller.sees_indicator(it.code.as_str()))
    }

    /// A definition by its id.
    pub fn by_id(&self, id: i64) -> Option<&Arc<Definition>> {
        self.by_id.get(&id)
    }

    /// The id that the next new indicator gets.
    pub fn next_id(&self) -> i64 {
        self.by_id.last_key_value().map_or(1, |(id, _)| id + 1)
    }
}

/// The words of a definition, folded, each after a space.
fn all_words(definition: &Definition) -> String {
    let meaning = &definition.meaning;
    let texts = [
        definition.code.as_str(),
        &meaning.name_vi,
        &meaning.name_en,
        &meaning.description,
        &meaning.description_en,
    ];
    texts.iter().flat_map(|it| fold::words(it)).map(|it| format!(" {it}")).collect()
}
