//! Slugs: the grammar that codes of systems, indicators, agreements and purposes share.
use serde::{Deserialize, Serialize};

use crate::rule::Rule;

/// The rule for slugs.
pub const SLUG_RULE: &str =
    "be lower-case letters and digits, in groups joined by `.` or `-`, at most 64 characters";

/// Whether a text is a slug: groups of lower-case ASCII letters and digits, joined by dots or hyphens.
pub fn is_slug(text: &str) -> bool {
    let is_group = |it: &str| {
        !it.is_empty() && it.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    text.len() <= 64 && text.split(['.', '-']).all(is_group)
}

/// The code of an agreement, or a purpose.
#[derive(
    Clone,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    sea_orm::DeriveValueType,
)]
#[serde(transparent)]
pub struct Slug(String);

impl Slug {
    /// Reads a slug.
    pub fn parse(text: &str) -> Result<Self, Rule> {
        if is_slug(text) { Ok(Self(text.to_owned())) } else { Err(SLUG_RULE.into()) }
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
