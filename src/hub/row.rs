//! The tables of what the hub keeps of sources beside what they publish: no part of what is known at a revision.

/// Items that were rejected.
pub mod rejection {
    use sea_orm::entity::prelude::*;

    use crate::time::Timestamp;

    /// An item that a source sent, and that was rejected when it was sent last.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "rejection")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub system_id: i64,
        /// The list of the request that held it: `observations` or `targets`.
        #[sea_orm(primary_key, auto_increment = false)]
        pub list: String,
        /// What it is about, as it was sent.
        #[sea_orm(primary_key, auto_increment = false)]
        pub item: String,
        /// Number of the reason on the wire.
        pub reason: i32,
        pub message: String,
        /// The bad fields with their rules, as JSON.
        pub fields: String,
        /// How often it was rejected.
        pub times: i64,
        pub first_at: Timestamp,
        pub last_at: Timestamp,
        /// The newest revision when it was rejected last.
        pub revision: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

/// When something of a source was accepted.
pub mod source_activity {
    use sea_orm::entity::prelude::*;

    use crate::time::Timestamp;

    /// A source's last accepted publish.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "source_activity")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub system_id: i64,
        pub accepted_at: Timestamp,
        /// The revision that it made, or that stood.
        pub revision: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}
