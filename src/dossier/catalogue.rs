//! Every procedure at one revision, in memory: by id, by national code, by a source's own code.
use std::collections::{BTreeMap, HashMap};

use super::Procedure;

/// Procedures.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    procedures: BTreeMap<i64, Procedure>,
    /// Those that were withdrawn, as they stood last.
    withdrawn: BTreeMap<i64, Procedure>,
    codes: BTreeMap<String, i64>,
    aliases: HashMap<String, HashMap<String, i64>>,
}

impl Catalogue {
    /// Builds the catalogue of the procedures that stand and those that were withdrawn.
    pub fn new(procedures: Vec<Procedure>, withdrawn: Vec<Procedure>) -> Self {
        let withdrawn = withdrawn.into_iter().map(|it| (it.id, it)).collect();
        let mut catalogue = Self { withdrawn, ..Self::default() };
        for procedure in procedures {
            catalogue.put(procedure);
        }
        catalogue
    }

    /// Removes a procedure; earlier dossiers still find its name.
    pub fn withdraw(&mut self, id: i64) {
        if let Some(old) = self.take(id) {
            self.withdrawn.insert(id, old);
        }
    }

    fn take(&mut self, id: i64) -> Option<Procedure> {
        let old = self.procedures.remove(&id)?;
        self.codes.remove(old.code.as_str());
        for it in &old.aliases {
            if let Some(aliases) = self.aliases.get_mut(&it.source) {
                aliases.remove(&it.alias);
            }
        }
        Some(old)
    }

    /// Adds a procedure, or replaces it.
    pub fn put(&mut self, procedure: Procedure) {
        let id = procedure.id;
        self.take(id);
        self.withdrawn.remove(&id);
        self.codes.insert(procedure.code.as_str().to_owned(), id);
        for it in &procedure.aliases {
            self.aliases.entry(it.source.clone()).or_default().insert(it.alias.clone(), id);
        }
        self.procedures.insert(id, procedure);
    }

    /// A procedure by its id, withdrawn or not: earlier dossiers still name it.
    pub fn get(&self, id: i64) -> Option<&Procedure> {
        self.procedures.get(&id).or_else(|| self.withdrawn.get(&id))
    }

    /// A procedure that was withdrawn, by its national code.
    pub fn withdrawn(&self, code: &str) -> Option<&Procedure> {
        self.withdrawn.values().find(|it| it.code.as_str() == code)
    }

    /// Every procedure, also those that were withdrawn.
    pub fn ever(&self) -> impl Iterator<Item = &Procedure> {
        self.procedures.values().chain(self.withdrawn.values())
    }

    /// A procedure by its national code.
    pub fn by_code(&self, code: &str) -> Option<&Procedure> {
        self.get(*self.codes.get(code)?)
    }

    /// A procedure by a source's own code.
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
        let last = [&self.procedures, &self.withdrawn].map(|it| it.last_key_value());
        last.into_iter().flatten().map(|(id, _)| id + 1).max().unwrap_or(1)
    }
}
