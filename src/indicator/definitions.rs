//! Every definition at one revision, in memory, and what of them a caller may know.
use std::{collections::BTreeMap, sync::Arc};

use super::{Code, Definition};
use crate::{
    caller::Caller,
    error::{Error, Result},
};

/// Definitions, by code; of each the newest version, and the earlier ones for what was published under them.
#[derive(Debug, Default)]
pub struct Definitions {
    by_code: BTreeMap<Code, Arc<Definition>>,
    by_id: BTreeMap<i64, Arc<Definition>>,
    versions: BTreeMap<(i64, i32), Arc<Definition>>,
}

impl Definitions {
    /// From every row of each. A version may have several: its newest labels count.
    pub fn new(mut all: Vec<Definition>) -> Self {
        let mut definitions = Self::default();
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
