//! The meaning of an indicator: one version of its definition, and the fields that its values fix.
use super::{
    Calendar, Code, Direction, Frequency, Kind, SharingLevel, TimeRule, UnitRule,
    dimension::Dimensions,
};
use crate::{
    caller,
    decimal::Decimal,
    period::Period,
    revision::expected::Expected,
    slug::Slug,
    time::Span,
    unit::{Level, Tree},
};

/// One version of an indicator's meaning, without its code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meaning {
    /// Name in Vietnamese.
    pub name_vi: String,
    /// Name in English.
    pub name_en: String,
    /// What it measures, in Vietnamese.
    pub description: String,
    /// The same in English.
    pub description_en: String,
    /// The kind of number.
    pub kind: Kind,
    /// Unit of measure.
    pub unit_of_measure: String,
    /// Its name in English.
    pub unit_of_measure_en: String,
    /// Factor of a ratio's quotient.
    pub scale: Option<Decimal>,
    /// Which way is better.
    pub direction: Direction,
    /// How often it is reported.
    pub frequency: Frequency,
    /// Which days its periods stand for.
    pub calendar: Calendar,
    /// How periods add up.
    pub time_rule: TimeRule,
    /// How units add up.
    pub unit_rule: UnitRule,
    /// The numerator in words.
    pub numerator: String,
    /// The denominator in words.
    pub denominator: String,
    /// Legal basis.
    pub legal_basis: String,
    /// Who owns the definition.
    pub owner_agency: String,
    /// The one system that may publish it.
    pub authoritative_source: caller::SystemCode,
    /// Days after a period's end until its value is due.
    pub due_days: i32,
    /// How openly it is shared.
    pub sharing_level: Option<SharingLevel>,
    /// The level whose units are expected to report.
    pub collection_level: Level,
    /// The tree it adds up in.
    pub tree: Tree,
    /// Whether it is no longer reported.
    pub retired: bool,
    /// How it may be broken down.
    pub dimensions: Dimensions,
    /// The group it is shown in.
    pub group: Option<Slug>,
    /// Its place in the group, from the least.
    pub display_order: i32,
    /// Decimals to show.
    pub decimals: Option<i32>,
    /// The indicator that it carries on with another meaning.
    pub continues: Option<Code>,
    /// The indicator whose values are the weights of a mean over units.
    pub weight: Option<Code>,
}

impl Meaning {
    /// The first and the last day of a period of this indicator.
    pub fn range(&self, period: Period) -> Span {
        period.range(self.calendar == Calendar::Report1514)
    }

    /// The canonical code of a period, which its values are stored under.
    pub fn canonical(&self, period: Period) -> Period {
        period.canonical(self.frequency.kind())
    }

    /// The proto fields that values fix and that differ in `next`.
    pub fn moved(&self, next: &Self) -> Vec<&'static str> {
        let fields = [
            ("kind", self.kind != next.kind),
            ("unit_of_measure", self.unit_of_measure != next.unit_of_measure),
            ("scale", self.scale != next.scale),
            ("frequency", self.frequency != next.frequency),
            ("calendar", self.calendar != next.calendar),
            ("dimensions", !self.dimensions.grow_into(&next.dimensions)),
        ];
        fields.into_iter().filter(|(_, moved)| *moved).map(|(field, _)| field).collect()
    }

    /// Whether a value means something else under `next`, which then is a new version. Names, labels, owners and due
    /// days may change under a version.
    pub fn makes_version(&self, next: &Self) -> bool {
        let rules = |it: &Self| (it.direction, it.time_rule, it.unit_rule);
        !self.moved(next).is_empty()
            || rules(self) != rules(next)
            || self.numerator != next.numerator
            || self.denominator != next.denominator
            || self.weight != next.weight
    }
}

/// One version of a definition, as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// The hub's id of the indicator.
    pub id: i64,
    /// Its code.
    pub code: Code,
    /// Its version, from 1.
    pub version: i32,
    /// What it means.
    pub meaning: Meaning,
    /// The revision that made this version.
    pub made_at: i64,
}

/// A definition to be published.
#[derive(Clone, Debug)]
pub struct Define {
    /// Its code.
    pub code: Code,
    /// What it means.
    pub meaning: Meaning,
    /// The version that it replaces.
    pub expected: Expected,
}
