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

/// Changes that wait for an administrator.
pub mod held_change {
    use sea_orm::entity::prelude::*;

    use crate::time::Timestamp;

    crate::db_enum::db_enum! {
        /// How a held change stands.
        pub enum HeldState {
            /// It waits.
            Waiting = 1,
            /// It was approved, and made.
            Approved = 2,
            /// It was refused.
            Refused = 3,
        }
    }

    crate::db_enum::db_enum! {
        /// What a held change changes.
        pub enum HeldKind {
            /// Units and successions.
            Units = 1,
            /// Procedures.
            Procedures = 2,
        }
    }

    /// A change that would open more to a living agreement.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "held_change")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: i64,
        /// The system that asked for it.
        pub system_id: i64,
        /// What it changes.
        pub kind: HeldKind,
        /// Its request, as it is on the wire.
        pub request: Vec<u8>,
        /// What it would open, in words, as a JSON list.
        pub opens: String,
        pub held_at: Timestamp,
        pub state: HeldState,
        /// The system that decided.
        pub decided_by: Option<i64>,
        pub decided_at: Option<Timestamp>,
        pub reason: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}
