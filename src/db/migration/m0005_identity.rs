//! Identity: when keys were used last.
use sea_orm_migration::{
    MigrationName, MigrationTrait, SchemaManager, async_trait::async_trait, prelude::DbErr,
};

use super::run;

pub(super) struct Change;

impl MigrationName for Change {
    fn name(&self) -> &'static str {
        "m0005_identity"
    }
}

#[async_trait]
impl MigrationTrait for Change {
    #[expect(elided_lifetimes_in_paths, reason = "the trait's own signature")]
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager.get_connection(), SCHEMA).await
    }
}

/// `last_used_at` in microseconds; written each minute, outside the revisions.
const SCHEMA: &str = "
CREATE TABLE key_use (key_id TEXT NOT NULL PRIMARY KEY, last_used_at INT8 NOT NULL) STRICT;
";
