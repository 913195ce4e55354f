//! The tables of the feed.

/// How far consumers have come.
pub mod consumer {
    use sea_orm::entity::prelude::*;

    use crate::time::Timestamp;

    /// How far a consumer of a system has come.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "feed_position")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub system_id: i64,
        #[sea_orm(primary_key, auto_increment = false)]
        pub consumer: String,
        pub revision: i64,
        pub acknowledged_at: Timestamp,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}
