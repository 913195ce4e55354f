//! Indicators: their values, kinds and code lists.
pub mod breakdown;
pub mod cells;
pub mod definitions;
pub mod dimension;
pub mod group;
pub mod item;
pub mod judge;
pub mod meaning;
pub mod queries;
pub mod roll_up;
pub mod row;
pub mod rpc;
pub mod store;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use self::meaning::{Define, Definition, Meaning};
use crate::{
    db_enum::db_enum,
    decimal::Decimal,
    period::{Period, PeriodKind},
    rule::Rule,
    slug,
    time::Day,
    unit,
};

/// Code of an indicator: lower-case letters, digits, dots and hyphens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, sea_orm::DeriveValueType)]
pub struct Code(String);

impl Code {
    /// Reads a code.
    pub fn parse(text: &str) -> Result<Self, Rule> {
        if slug::is_slug(text) {
            return Ok(Self(text.to_owned()));
        }
        Err(slug::SLUG_RULE.into())
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

db_enum! {
    /// The kind of number of an indicator.
    pub enum Kind {
        /// A count of things.
        Count = 1,
        /// An amount.
        Amount = 2,
        /// Numerator over denominator, times a scale.
        Ratio = 3,
        /// A score.
        Score = 4,
    }
}

db_enum! {
    /// Which way is better.
    pub enum Direction {
        /// More.
        MoreIsBetter = 1,
        /// Less.
        LessIsBetter = 2,
        /// Neither.
        Neither = 3,
    }
}

db_enum! {
    /// How often an indicator is reported.
    pub enum Frequency {
        /// Every day.
        Day = 1,
        /// Every week.
        Week = 2,
        /// Every month.
        Month = 3,
        /// Every quarter.
        Quarter = 4,
        /// Every half-year.
        HalfYear = 5,
        /// Every year.
        Year = 6,
        /// Every school year.
        SchoolYear = 7,
        /// Every hour.
        Hour = 8,
    }
}

impl std::fmt::Display for Frequency {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Day => "a day",
            Self::Week => "a week",
            Self::Month => "a month",
            Self::Quarter => "a quarter",
            Self::HalfYear => "a half-year",
            Self::Year => "a year",
            Self::SchoolYear => "a school year",
            Self::Hour => "an hour",
        })
    }
}

impl Frequency {
    /// The kind of its periods.
    pub fn kind(self) -> PeriodKind {
        match self {
            Self::Day => PeriodKind::Day,
            Self::Week => PeriodKind::Week,
            Self::Month => PeriodKind::Month,
            Self::Quarter => PeriodKind::Quarter,
            Self::HalfYear => PeriodKind::Half,
            Self::Year => PeriodKind::Year,
            Self::SchoolYear => PeriodKind::SchoolYear,
            Self::Hour => PeriodKind::Hour,
        }
    }
}

db_enum! {
    /// The calendar that gives a period code its days.
    pub enum Calendar {
        /// The calendar's own.
        Calendar = 1,
        /// From the 15th to the 14th.
        Report1514 = 2,
    }
}

db_enum! {
    /// How values of shorter periods combine into a longer one.
    pub enum TimeRule {
        /// Their sum.
        Sum = 1,
        /// The last one.
        Last = 2,
        /// Sum of numerators over sum of denominators.
        Ratio = 3,
        /// Their mean.
        Mean = 4,
        /// They do not.
        None = 5,
    }
}

db_enum! {
    /// How values of units combine into that of the unit above.
    pub enum UnitRule {
        /// Their sum.
        Sum = 1,
        /// Sum of numerators over sum of denominators.
        Ratio = 2,
        /// Their mean.
        Mean = 3,
        /// The greatest.
        Max = 4,
        /// The least.
        Min = 5,
        /// They do not.
        None = 6,
    }
}

db_enum! {
    /// How openly an indicator is shared, as its owner classified it.
    pub enum SharingLevel {
        /// Open data.
        Open = 1,
        /// Among state agencies.
        Shared = 2,
        /// For its owner and those it agreed with.
        Restricted = 3,
    }
}

db_enum! {
    /// How exactly a value is known.
    pub enum Qualifier {
        /// As stated.
        Exact = 1,
        /// More than the value.
        MoreThan = 2,
        /// The value or more.
        AtLeast = 3,
        /// Less than the value.
        LessThan = 4,
        /// The value or less.
        AtMost = 5,
        /// About the value.
        About = 6,
    }
}

db_enum! {
    /// How final a value is, or why there is none.
    pub enum Status {
        /// An estimate.
        Estimated = 1,
        /// Provisional.
        Provisional = 2,
        /// Final.
        Final = 3,
        /// None: not assessed.
        NotAssessed = 4,
        /// None: not implemented.
        NotImplemented = 5,
        /// None: does not apply.
        NotApplicable = 6,
        /// None: withheld.
        Withheld = 7,
    }
}

impl Status {
    /// Whether an observation with this status has a value.
    pub fn has_value(self) -> bool {
        match self {
            Self::Estimated | Self::Provisional | Self::Final => true,
            Self::NotAssessed | Self::NotImplemented | Self::NotApplicable | Self::Withheld => {
                false
            }
        }
    }
}

db_enum! {
    /// How a value came to its source.
    pub enum Channel {
        /// By machine.
        System = 1,
        /// From a document.
        Document = 2,
        /// Typed in.
        Manual = 3,
    }
}

db_enum! {
    /// How a value must compare to meet a target.
    pub enum Comparison {
        /// The target or more.
        AtLeast = 1,
        /// More than the target.
        MoreThan = 2,
        /// The target or less.
        AtMost = 3,
        /// Less than the target.
        LessThan = 4,
        /// In words.
        Qualitative = 5,
    }
}

/// Where a value comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Provenance {
    /// How it came to its source.
    pub channel: Option<Channel>,
    /// The source document.
    pub source_document: String,
    /// The record in the source.
    pub source_record: String,
    /// The quoted words.
    pub quote: String,
    /// The value as the document writes it.
    pub as_written: String,
    /// A remark.
    pub note: String,
}

/// The number that was observed, and how well it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The value as reported.
    pub value: Option<Decimal>,
    /// The numerator.
    pub numerator: Option<Decimal>,
    /// The denominator.
    pub denominator: Option<Decimal>,
    /// How exactly the value is known.
    pub qualifier: Qualifier,
    /// How final it is, or why there is none.
    pub status: Status,
    /// The version of the definition it was published under.
    pub definition_version: i32,
}

impl Reading {
    /// The effective value: as reported, else numerator / denominator x scale.
    pub fn effective(&self, scale: Option<&Decimal>) -> Option<Decimal> {
        self.value.clone().or_else(|| self.quotient(scale))
    }

    /// Numerator / denominator x scale, to 20 significant digits, where both components are known.
    pub fn quotient(&self, scale: Option<&Decimal>) -> Option<Decimal> {
        let (numerator, denominator) = (self.numerator.as_ref()?, self.denominator.as_ref()?);
        numerator.mul(scale?).div(denominator)
    }
}

/// Whether a text can be the code of a dimension or of a category.
pub fn is_word(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// Breakdown of an observation: dimension and member. Its text form is the key in the store.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Breakdown(pub BTreeMap<String, String>);

impl std::fmt::Display for Breakdown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (i, (key, member)) in self.0.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            write!(f, "{comma}{key}={member}")?;
        }
        Ok(())
    }
}

impl Breakdown {
    /// Reads dimensions and members; the rule says what is wrong.
    pub fn parse(parts: BTreeMap<String, String>) -> Result<Self, Rule> {
        if parts.len() > dimension::MOST_DIMENSIONS
            || !parts.iter().all(|(key, member)| is_word(key) && is_word(member))
        {
            let rule = "hold at most 8 pairs of words of lower-case letters, digits and hyphens";
            return Err(rule.into());
        }
        Ok(Self(parts))
    }

    /// From the text form that [`Breakdown`] displays.
    pub fn from_text(text: &str) -> Self {
        let pairs = text.split(',').filter_map(|it| it.split_once('='));
        Self(pairs.map(|(key, member)| (key.to_owned(), member.to_owned())).collect())
    }
}

/// An observation to be published. The store resolves its indicator and unit.
#[derive(Clone, Debug)]
pub struct ObservationEntry {
    /// Its key.
    pub cell: CellKey,
    /// The value as reported.
    pub value: Option<Decimal>,
    /// The numerator.
    pub numerator: Option<Decimal>,
    /// The denominator, not 0.
    pub denominator: Option<Decimal>,
    /// How exactly the value is known.
    pub qualifier: Qualifier,
    /// How final it is, or why there is none.
    pub status: Status,
    /// The as-of date of a point-in-time value.
    pub as_of: Option<Day>,
    /// Its provenance.
    pub provenance: Provenance,
    /// The reason of a correction.
    pub correction_reason: String,
    /// The day on which the source released it, if the source tells.
    pub released_on: Option<Day>,
}

/// The key of an observation or a target.
#[derive(Clone, Debug)]
pub struct CellKey {
    /// The indicator.
    pub indicator: Code,
    /// The unit.
    pub unit: unit::Ref,
    /// The period.
    pub period: Period,
    /// The breakdown.
    pub breakdown: Breakdown,
}

/// A target to be published.
#[derive(Clone, Debug)]
pub struct TargetEntry {
    /// Its key.
    pub cell: CellKey,
    /// How the value must compare.
    pub comparison: Comparison,
    /// The value; none for a qualitative target.
    pub value: Option<Decimal>,
    /// Its provenance.
    pub provenance: Provenance,
}

db_enum! {
    /// The units whose values make a figure.
    pub enum RollUpOf {
        /// Those of the units below.
        Below = 1,
        /// The unit's own.
        Itself = 2,
    }
}

/// The dated tree that a roll-up adds up in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Geography {
    /// The units as they stood in each period.
    AsReported,
    /// Restated into the tree of this date.
    AsOf(Day),
}
