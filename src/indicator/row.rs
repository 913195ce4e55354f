//! The tables of indicators.

/// Versions of definitions.
pub mod definition {
    use sea_orm::entity::prelude::*;

    use super::super::{
        Calendar, Code, Direction, Frequency, Kind, SharingLevel, TimeRule, UnitRule,
        dimension::Dimensions,
    };
    use crate::{
        caller::SystemCode,
        decimal::Decimal,
        slug::Slug,
        unit::{Level, Tree},
    };

    /// A version of a definition.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "indicator")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: i64,
        pub code: Code,
        pub version: i32,
        pub name_vi: String,
        pub name_en: String,
        pub description: String,
        pub description_en: String,
        pub kind: Kind,
        pub unit_of_measure: String,
        pub unit_of_measure_en: String,
        pub scale: Option<Decimal>,
        pub direction: Direction,
        pub frequency: Frequency,
        pub calendar: Calendar,
        pub time_rule: TimeRule,
        pub unit_rule: UnitRule,
        pub numerator: String,
        pub denominator: String,
        pub legal_basis: String,
        pub owner_agency: String,
        pub authoritative_source: SystemCode,
        pub due_days: i32,
        pub sharing_level: Option<SharingLevel>,
        pub collection_level: Level,
        pub tree: Tree,
        pub retired: bool,
        pub dimensions: Dimensions,
        pub group_code: Option<Slug>,
        pub display_order: i32,
        pub decimals: Option<i32>,
        pub continues: Option<Code>,
        pub weight: Option<Code>,
        #[sea_orm(primary_key, auto_increment = false)]
        pub made_at: i64,
        pub superseded_at: Option<i64>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

/// Versions of groups.
pub mod group {
    use sea_orm::entity::prelude::*;

    use crate::slug::Slug;

    /// A version of a group; its key is the code too.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "indicator_group")]
    pub struct Model {
        pub code: Slug,
        pub name_vi: String,
        pub name_en: String,
        pub display_order: i32,
        #[sea_orm(primary_key, auto_increment = false)]
        pub made_at: i64,
        pub superseded_at: Option<i64>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

/// Versions of observations.
pub mod observation {
    use sea_orm::entity::prelude::*;

    use super::super::{Channel, Qualifier, Status};
    use crate::{
        decimal::Decimal,
        period::Period,
        time::{Day, Timestamp},
    };

    /// A version of an observation. `period_end` is the last day of the period.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "observation")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub indicator_id: i64,
        #[sea_orm(primary_key, auto_increment = false)]
        pub unit_id: i64,
        pub period_end: Day,
        pub period: Period,
        pub breakdown: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub made_at: i64,
        pub superseded_at: Option<i64>,
        pub committed_at: Timestamp,
        pub period_start: Day,
        pub value: Option<Decimal>,
        pub numerator: Option<Decimal>,
        pub denominator: Option<Decimal>,
        pub qualifier: Qualifier,
        pub status: Status,
        pub as_of: Option<Day>,
        pub inconsistent: bool,
        pub definition_version: i32,
        pub source_id: i64,
        pub channel: Option<Channel>,
        pub source_document: String,
        pub source_record: String,
        pub quote: String,
        pub as_written: String,
        pub note: String,
        pub correction_reason: String,
        /// Why it withdraws the version before; none of what is not a tombstone.
        pub withdrawal_reason: Option<String>,
        /// The day on which the source released it.
        pub released_on: Option<Day>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

/// Versions of what other sources than the authoritative one contribute: the columns of `observation`, and its rules.
pub mod contribution {
    use sea_orm::entity::prelude::*;

    use super::super::{Channel, Qualifier, Status};
    use crate::{
        decimal::Decimal,
        period::Period,
        time::{Day, Timestamp},
    };

    /// A version of a contributed observation. `source_id` is part of what names it.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "contribution")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub indicator_id: i64,
        #[sea_orm(primary_key, auto_increment = false)]
        pub unit_id: i64,
        pub period_end: Day,
        pub period: Period,
        pub breakdown: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub made_at: i64,
        pub superseded_at: Option<i64>,
        pub committed_at: Timestamp,
        pub period_start: Day,
        pub value: Option<Decimal>,
        pub numerator: Option<Decimal>,
        pub denominator: Option<Decimal>,
        pub qualifier: Qualifier,
        pub status: Status,
        pub as_of: Option<Day>,
        pub inconsistent: bool,
        pub definition_version: i32,
        #[sea_orm(primary_key, auto_increment = false)]
        pub source_id: i64,
        pub channel: Option<Channel>,
        pub source_document: String,
        pub source_record: String,
        pub quote: String,
        pub as_written: String,
        pub note: String,
        pub correction_reason: String,
        /// Why it withdraws the version before; none of what is not a tombstone.
        pub withdrawal_reason: Option<String>,
        /// The day on which the source released it.
        pub released_on: Option<Day>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

/// Versions of targets.
pub mod target {
    use sea_orm::entity::prelude::*;

    use super::super::{Channel, Comparison};
    use crate::{
        decimal::Decimal,
        period::Period,
        time::{Day, Timestamp},
    };

    /// A version of a target. `period_end` is the last day of the period.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "target")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub indicator_id: i64,
        #[sea_orm(primary_key, auto_increment = false)]
        pub unit_id: i64,
        pub period_end: Day,
        pub period: Period,
        pub breakdown: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub made_at: i64,
        pub superseded_at: Option<i64>,
        pub committed_at: Timestamp,
        pub period_start: Day,
        pub comparison: Comparison,
        pub value: Option<Decimal>,
        pub definition_version: i32,
        pub source_id: i64,
        pub channel: Option<Channel>,
        pub source_document: String,
        pub source_record: String,
        pub quote: String,
        pub as_written: String,
        pub note: String,
        /// Why it withdraws the version before; none of what is not a tombstone.
        pub withdrawal_reason: Option<String>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

crate::revision::versioned::versioned!(definition, group, observation, contribution, target);
