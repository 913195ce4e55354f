//! Every procedure at one revision, in memory: by id, by national code, by what a source calls it.
use std::collections::{BTreeMap, HashMap};

use super::Procedure;

/// Procedures.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    procedures: BTreeMap<i64, Procedure>,
    codes: BTreeMap<String, i64>,
    aliases: HashMap<String, HashMap<String, i64>>,
}

impl Catalogue {
    /// From every procedure.
    pub fn new(procedures: Vec<Procedure>) -> Self {
        let mut catalogue = Self::default();
        for procedure in procedures {
            catalogue.put(procedure);
        }
        catalogue
    }

    /// Adds a procedure, or replaces it.
    pub fn put(&mut self, procedure: Procedure) {
        let id = procedure.id;
        if let Some(old) = self.procedures.remove(&id) {
            self.codes.remove(old.code.as_str());
            for it in &old.aliases {
                if let Some(aliases) = self.aliases.get_mut(&it.source) {
                    aliases.remove(&it.alias);
                }
            }
        }
        self.codes.insert(procedure.code.as_str().to_owned(), id);
        for it in &procedure.aliases {
            self.aliases.entry(it.source.clone()).or_default().insert(it.alias.clone(), id);
        }
        self.procedures.insert(id, procedure);
    }

    /// A procedure by its id.
    pub fn get(&self, id: i64) -> Option<&Procedure> {
        self.procedures.get(&id)
    }

    /// A procedure by its national code.
    pub fn by_code(&self, code: &str) -> Option<&Procedure> {
        self.get(*self.codes.get(code)?)
    }

    /// A procedure by what a source calls it.
    pub fn by_alias(&self, source: &str, alias: &str) -> Option<&Procedure> {
        self.get(*self.aliases.get(source)?.get(alias)?)
    }

    /// A procedure as a source names it: by its national code, else by the source's alias.
    pub fn named(&self, source: &str, name: &str) -> Option<&Procedure> {
        self.by_code(name).or_else(|| self.by_alias(source, name))
    }

    /// National code of a procedure, for answers.
    pub fn code_of(&self, id: i64) -> String {
        self.get(id).map_or_else(String::new, |it| it.code.as_str().to_owned())
    }

    /// The procedures whose codes come after this one, by code.
    pub fn after(&self, code: &str) -> impl Iterator<Item = &Procedure> {
        use std::ops::Bound::{Excluded, Unbounded};
        let codes = self.codes.range::<str, _>((Excluded(code), Unbounded));
        codes.filter_map(|(_, id)| self.get(*id))
    }

    /// The id that the next new procedure gets.
    pub fn next_id(&self) -> i64 {
        self.procedures.last_key_value().map_or(1, |(id, _)| id + 1)
    }
}
