//! The tables of the revision: the counter row, the log, and the requests that were answered.

/// The one counter row.
pub mod head {
    use sea_orm::entity::prelude::*;

    /// The newest revision, and the last that touched each set of reference data.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "head")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: i32,
        pub revision: i64,
        pub committed_at: i64,
        pub floor: i64,
        pub units_at: i64,
        pub indicators_at: i64,
        pub procedures_at: i64,
        pub access_at: i64,
        pub epoch: i64,
        pub told_at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

/// One line for each revision.
pub mod log {
    use sea_orm::entity::prelude::*;

    /// A revision: when, by whom, and what it touched.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "revision_log")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub revision: i64,
        pub committed_at: i64,
        pub system_id: i64,
        pub touched: i32,
        pub items: i32,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

/// Requests that were answered, so that a retry gets the same answer.
pub mod answered {
    use sea_orm::entity::prelude::*;

    /// A request of a system, what it was, and its receipt.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "answered_request")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub system_id: i64,
        #[sea_orm(primary_key, auto_increment = false)]
        pub request_id: String,
        pub fingerprint: Vec<u8>,
        pub receipt: String,
        pub answered_at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

/// Every move of the retention floor.
pub mod compaction {
    use sea_orm::entity::prelude::*;

    use crate::time::Timestamp;

    /// A move: the revision that made it, where to, and why.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "compaction")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub revision: i64,
        pub floor: i64,
        pub keep_before: Timestamp,
        pub reason: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}
