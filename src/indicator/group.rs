//! Groups that indicators are shown in.
use crate::{revision::expected::Expected, slug::Slug};

/// A group of indicators, as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndicatorGroup {
    /// Its code.
    pub code: Slug,
    /// What it is called, and where it stands.
    pub label: GroupLabel,
    /// The revision that made this version.
    pub made_at: i64,
}

/// What a group is called, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupLabel {
    /// Name in Vietnamese.
    pub name_vi: String,
    /// Name in English.
    pub name_en: String,
    /// Its place among the groups, from the least.
    pub display_order: i32,
}

/// A group to be defined.
#[derive(Clone, Debug)]
pub struct DefineGroup {
    /// Its code.
    pub code: Slug,
    /// What it is called, and where it stands.
    pub label: GroupLabel,
    /// The version that it replaces.
    pub expected: Expected,
}
