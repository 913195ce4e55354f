//! The tables of access.

/// Versions of systems.
pub mod system {
    use sea_orm::entity::prelude::*;

    use crate::caller::SystemCode;

    /// A version of a system.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "system")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: i64,
        pub code: SystemCode,
        pub name: String,
        pub grants_json: String,
        pub statuses_json: String,
        pub agency_unit_id: Option<i64>,
        pub contact: String,
        pub disabled: bool,
        #[sea_orm(primary_key, auto_increment = false)]
        pub made_at: i64,
        pub superseded_at: Option<i64>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

/// When keys were used last; outside the revisions.
pub mod key_use {
    use sea_orm::entity::prelude::*;

    /// A key that was used.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "key_use")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub key_id: String,
        pub last_used_at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

/// Versions of keys.
pub mod key {
    use sea_orm::entity::prelude::*;

    /// A version of a key.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "api_key")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub system_id: i64,
        pub hash: Vec<u8>,
        pub issued_at: i64,
        pub expires_at: i64,
        pub revoked_at: Option<i64>,
        #[sea_orm(primary_key, auto_increment = false)]
        pub made_at: i64,
        pub superseded_at: Option<i64>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

/// Versions of agreements.
pub mod agreement {
    use sea_orm::entity::prelude::*;

    use crate::{slug::Slug, time::Timestamp};

    /// A version of an agreement.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "agreement")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub code: String,
        pub system_id: i64,
        pub purpose: Slug,
        pub title: String,
        pub legal_basis: String,
        pub document_number: String,
        pub document_sha256: String,
        pub terms_json: String,
        pub valid_from: Timestamp,
        pub valid_until: Timestamp,
        pub revoked_at: Option<Timestamp>,
        #[sea_orm(primary_key, auto_increment = false)]
        pub made_at: i64,
        pub superseded_at: Option<i64>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

crate::revision::versioned::versioned!(system, key, agreement);
