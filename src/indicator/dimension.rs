//! Dimensions: how an indicator may be broken down, the categories of each, and how they make the total.
use std::{fmt, str::FromStr};

use sea_orm::sea_query::ValueTypeErr;
use serde::{Deserialize, Serialize};

use super::{Breakdown, Kind};
use crate::{
    rule::Rule,
    time::{Day, Span},
};

/// Dimensions of one indicator, at most.
pub const MOST_DIMENSIONS: usize = 8;

/// Categories of one dimension, at most.
pub const MOST_CATEGORIES: usize = 500;

/// How the categories of a dimension make the total.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DimensionRule {
    /// Their sum.
    Sum,
    /// Sum of numerators over sum of denominators.
    Ratio,
    /// They do not.
    None,
}

impl DimensionRule {
    /// The rule with this number in the proto.
    pub fn of(number: i32) -> Option<Self> {
        match number {
            1 => Some(Self::Sum),
            2 => Some(Self::Ratio),
            3 => Some(Self::None),
            _ => None,
        }
    }

    /// Its number in the proto.
    pub fn number(self) -> i32 {
        match self {
            Self::Sum => 1,
            Self::Ratio => 2,
            Self::None => 3,
        }
    }

    /// Whether values of a kind can be combined so.
    pub fn fits(self, kind: Kind) -> bool {
        match (self, kind) {
            (Self::None, _) | (Self::Ratio, Kind::Ratio) => true,
            (Self::Sum, Kind::Count | Kind::Amount | Kind::Score) => true,
            (Self::Sum, Kind::Ratio) | (Self::Ratio, Kind::Count | Kind::Amount | Kind::Score) => {
                false
            }
        }
    }
}

/// One value that a dimension may have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Category {
    /// Its code, a word.
    pub code: String,
    /// Label in Vietnamese.
    pub name_vi: String,
    /// Label in English.
    pub name_en: String,
    /// The first day on which it is used; open when none.
    pub valid_from: Option<Day>,
    /// The first day on which it is not used any more; open when none.
    pub valid_before: Option<Day>,
}

impl Category {
    /// The days on which it is used.
    pub fn span(&self) -> Span {
        Span {
            from: self.valid_from.unwrap_or(Day::FIRST),
            to: self.valid_before.map_or(Day::LAST, Day::previous),
        }
    }
}

/// One way to break an indicator down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dimension {
    /// Its code, a word.
    pub code: String,
    /// Label in Vietnamese.
    pub name_vi: String,
    /// Label in English.
    pub name_en: String,
    /// How its categories make the total.
    pub rule: DimensionRule,
    /// Whether its categories exhaust the total.
    pub exhaustive: bool,
    /// Its code list, in the order of display.
    pub categories: Vec<Category>,
}

impl Dimension {
    /// The categories that are used on a day.
    pub fn categories_on(&self, day: Day) -> impl Iterator<Item = &Category> {
        self.categories.iter().filter(move |it| it.span().contains(day))
    }

    /// Whether the total can be computed from the categories.
    pub fn makes_total(&self) -> bool {
        self.exhaustive && self.rule != DimensionRule::None
    }

    /// Whether `next` is this dimension, its code list grown at most: what was said in it stays true.
    fn grows_into(&self, next: &Self) -> bool {
        let has = |it: &Category| {
            let same = next.categories.iter().find(|other| other.code == it.code);
            same.is_some_and(|other| other.valid_from == it.valid_from)
        };
        self.code == next.code
            && self.rule == next.rule
            && self.exhaustive == next.exhaustive
            && self.categories.iter().all(has)
    }
}

/// The dimensions of one indicator, in the order of display. The text form in the store is JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, sea_orm::DeriveValueType)]
#[sea_orm(value_type = "String")]
pub struct Dimensions(Vec<Dimension>);

impl Dimensions {
    /// Those of a definition; its kind says how they may add up.
    pub fn new(all: Vec<Dimension>) -> Self {
        Self(all)
    }

    /// In the order of display.
    pub fn all(&self) -> &[Dimension] {
        &self.0
    }

    /// The one with this code.
    pub fn get(&self, code: &str) -> Option<&Dimension> {
        self.0.iter().find(|it| it.code == code)
    }

    /// Whether `next` says the same of every category that these have; labels and order may differ.
    pub fn grow_into(&self, next: &Self) -> bool {
        let kept = |it: &Dimension| next.get(&it.code).is_some_and(|other| it.grows_into(other));
        self.0.len() == next.0.len() && self.0.iter().all(kept)
    }

    /// Checks that a breakdown uses categories of these, as they are used on a day.
    pub fn check(&self, breakdown: &Breakdown, day: Day) -> Result<(), Rule> {
        for (dimension, category) in &breakdown.0 {
            let Some(declared) = self.get(dimension) else {
                return Err(self.must_name(dimension).into());
            };
            if declared.categories_on(day).all(|it| it.code != *category) {
                let known = listed(declared.categories_on(day).map(|it| it.code.as_str()));
                let what = format!("`{dimension}` be one of {known} on {day}, not `{category}`");
                return Err(format!("hold a category of the code list: {what}").into());
            }
        }
        Ok(())
    }

    fn must_name(&self, dimension: &str) -> String {
        match self.0.is_empty() {
            true => format!("be empty: the indicator has no dimensions, so not `{dimension}`"),
            false => {
                let known = listed(self.0.iter().map(|it| it.code.as_str()));
                format!("name dimensions of the indicator, {known}; not `{dimension}`")
            }
        }
    }
}

/// Words in a row, at most 12 of them.
fn listed<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let words: Vec<_> = words.collect();
    let shown = words.iter().take(12).map(|it| format!("`{it}`")).collect::<Vec<_>>().join(", ");
    match words.len() {
        0 => "none".to_owned(),
        count if count > 12 => format!("{shown} and {} more", count - 12),
        _ => shown,
    }
}

impl fmt::Display for Dimensions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(&self.0).map_err(|_| fmt::Error)?)
    }
}

/// Reads what the store holds.
impl FromStr for Dimensions {
    type Err = ValueTypeErr;

    fn from_str(text: &str) -> Result<Self, ValueTypeErr> {
        serde_json::from_str(text).map(Self).map_err(|_| ValueTypeErr)
    }
}
