//! Loads: which stream carries one on.
use sea_orm_migration::{
    MigrationName, MigrationTrait, SchemaManager, async_trait::async_trait, prelude::DbErr,
};

use super::run;

pub(super) struct Change;

impl MigrationName for Change {
    fn name(&self) -> &'static str {
        "m0003_load"
    }
}

#[async_trait]
impl MigrationTrait for Change {
    #[expect(elided_lifetimes_in_paths, reason = "the trait's own signature")]
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager.get_connection(), SCHEMA).await
    }
}

/// `opening` counts how often a load was opened: the stream that opened it last carries it on.
const SCHEMA: &str = "
ALTER TABLE load_position ADD COLUMN opening INT8 NOT NULL DEFAULT 0;
";
