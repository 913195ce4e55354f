//! Free text of published items: code that the build writes from the mark `prose` in the schema.
use super::Fields;
use crate::pb;

/// A message with fields of free text that says nothing of a person.
pub trait Prose {
    /// Refuses each of them, and of the messages inside, that holds a number that looks like an identity number.
    fn check(&self, fields: &mut Fields);
}

include!(concat!(env!("OUT_DIR"), "/prose.rs"));
