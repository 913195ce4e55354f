//! What each tier of personal data shows of a message: code that the build writes from the marks in the schema.
use std::fmt;

use crate::{
    pb,
    personal::{Kind, Tier, mask::mask},
};

/// Leaves in a message what a tier shows. Written by the build for every message that holds a marked field: a field
/// that nobody has decided about is free text.
pub trait Project {
    /// Whether something was masked or taken out.
    fn project(&mut self, tier: Tier) -> bool;
}

/// Prints the name of a message that holds a field marked as personal, and nothing of what it holds.
macro_rules! unprinted {
    ($($name:ident)+) => {
        $(impl fmt::Debug for pb::$name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        })+
    };
}

include!(concat!(env!("OUT_DIR"), "/projections.rs"));

/// Leaves of one field what a tier shows.
fn show(field: &mut String, kind: Kind, tier: Tier) -> bool {
    if field.is_empty() {
        return false;
    }
    match tier {
        Tier::None => field.clear(),
        Tier::Masked => *field = mask(field, kind),
        Tier::Full => return false,
    }
    true
}
