//! The tables of units.

/// Versions of units.
pub mod unit {
    use sea_orm::entity::prelude::*;

    use super::super::Level;
    use crate::time::Day;

    /// A version of a unit.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "unit")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: i64,
        pub level: Level,
        pub name: String,
        pub valid_from: Day,
        pub valid_to: Day,
        pub codes_json: String,
        pub parents_json: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub made_at: i64,
        pub superseded_at: Option<i64>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

/// Versions of successions.
pub mod succession {
    use sea_orm::entity::prelude::*;

    use super::super::{SuccessionKind, Transfer};
    use crate::{decimal::Decimal, time::Day};

    /// A version of a succession. No unit has the id 0: it stands for no successor.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "unit_succession")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub predecessor_id: i64,
        #[sea_orm(primary_key, auto_increment = false)]
        pub successor_id: i64,
        pub effective_day: Day,
        pub kind: SuccessionKind,
        pub transfer: Transfer,
        pub weight: Option<Decimal>,
        pub weight_basis: String,
        pub legal_act: String,
        pub source: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub made_at: i64,
        pub superseded_at: Option<i64>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

crate::revision::versioned::versioned!(unit, succession);
