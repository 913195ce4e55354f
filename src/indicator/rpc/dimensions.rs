//! Dimensions of definitions, from the wire and to it.
use std::collections::HashSet;

use crate::{
    indicator::{
        Kind,
        dimension::{
            Category, Dimension, DimensionRule, Dimensions, MOST_CATEGORIES, MOST_DIMENSIONS,
        },
        is_word,
    },
    pb,
    time::Day,
    wire::Fields,
};

/// Characters of a label, at most.
const LABEL: usize = 200;

/// Reads the dimensions of a definition, each code once.
pub(super) fn read_dimensions(
    fields: &mut Fields,
    kind: Option<Kind>,
    all: Vec<pb::IndicatorDimension>,
) -> Option<Dimensions> {
    fields.at_most("dimensions", all.len(), MOST_DIMENSIONS)?;
    let mut codes = HashSet::new();
    let mut read = Vec::with_capacity(all.len());
    for (index, msg) in all.into_iter().enumerate() {
        read.push(fields.within(&format!("dimensions[{index}]"), |fields| {
            if !codes.insert(msg.code.clone()) {
                fields.refuse("code", "not stand in the list twice");
            }
            dimension(fields, kind, msg)
        }));
    }
    read.into_iter().collect::<Option<Vec<_>>>().map(Dimensions::new)
}

fn dimension(
    fields: &mut Fields,
    kind: Option<Kind>,
    msg: pb::IndicatorDimension,
) -> Option<Dimension> {
    let pb::IndicatorDimension { code, name_vi, name_en, rule, exhaustive, categories } = msg;
    let code = word(fields, code);
    let name_vi = fields.some_text("name_vi", name_vi, LABEL);
    let name_en = fields.text("name_en", name_en, LABEL);
    let rule = fields.word("rule", rule, DimensionRule::of);
    if let (Some(rule), Some(kind)) = (rule, kind)
        && !rule.fits(kind)
    {
        fields.refuse("rule", "be RATIO or NONE for a ratio, SUM or NONE for any other kind");
    }
    if exhaustive && rule == Some(DimensionRule::None) {
        fields.refuse("exhaustive", "be false where the rule is NONE");
    }
    if !(1..=MOST_CATEGORIES).contains(&categories.len()) {
        fields.refuse("categories", format!("hold 1 to {MOST_CATEGORIES} categories"));
        return None;
    }
    let mut codes = HashSet::new();
    let mut read = Vec::with_capacity(categories.len());
    for (index, msg) in categories.into_iter().enumerate() {
        read.push(fields.within(&format!("categories[{index}]"), |fields| {
            if !codes.insert(msg.code.clone()) {
                fields.refuse("code", "not stand in the list twice");
            }
            category(fields, msg)
        }));
    }
    let categories = read.into_iter().collect::<Option<Vec<_>>>()?;
    Some(Dimension {
        code: code?,
        name_vi: name_vi?,
        name_en: name_en?,
        rule: rule?,
        exhaustive,
        categories,
    })
}

fn category(fields: &mut Fields, msg: pb::DimensionCategory) -> Option<Category> {
    let pb::DimensionCategory { code, name_vi, name_en, valid_from, valid_before } = msg;
    let code = word(fields, code);
    let name_vi = fields.some_text("name_vi", name_vi, LABEL);
    let name_en = fields.text("name_en", name_en, LABEL);
    let valid_from = fields.day("valid_from", &valid_from);
    let valid_before = fields.day("valid_before", &valid_before);
    fields.in_order(("valid_from", valid_from), ("valid_before", valid_before));
    Some(Category {
        code: code?,
        name_vi: name_vi?,
        name_en: name_en?,
        valid_from: valid_from?,
        valid_before: valid_before?,
    })
}

fn word(fields: &mut Fields, code: String) -> Option<String> {
    let rule = "be 1 to 64 lower-case letters, digits and hyphens";
    let read = if is_word(&code) { Ok(code) } else { Err(rule) };
    fields.read("code", read)
}

impl From<Dimension> for pb::IndicatorDimension {
    fn from(dimension: Dimension) -> Self {
        let Dimension { code, name_vi, name_en, rule, exhaustive, categories } = dimension;
        Self {
            code,
            name_vi,
            name_en,
            rule: rule.number(),
            exhaustive,
            categories: categories.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<Category> for pb::DimensionCategory {
    fn from(category: Category) -> Self {
        let Category { code, name_vi, name_en, valid_from, valid_before } = category;
        let day = |it: Option<Day>| it.map_or_else(String::new, |it| it.to_string());
        Self {
            code,
            name_vi,
            name_en,
            valid_from: day(valid_from),
            valid_before: day(valid_before),
        }
    }
}
