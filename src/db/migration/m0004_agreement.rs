//! Agreements, and how often each was used.
use sea_orm_migration::{
    MigrationName, MigrationTrait, SchemaManager, async_trait::async_trait, prelude::DbErr,
};

use super::run;

pub(super) struct Change;

impl MigrationName for Change {
    fn name(&self) -> &'static str {
        "m0004_agreement"
    }
}

#[async_trait]
impl MigrationTrait for Change {
    #[expect(elided_lifetimes_in_paths, reason = "the trait's own signature")]
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager.get_connection(), SCHEMA).await
    }
}

/// `agreement_use` is counted in place and is no part of the revisions: one row for each length of window, with the window that
/// was counted last.
const SCHEMA: &str = "
CREATE TABLE agreement (
    code TEXT NOT NULL, system_id INT8 NOT NULL, purpose TEXT NOT NULL, title TEXT NOT NULL, legal_basis TEXT NOT NULL,
    document_number TEXT NOT NULL, document_sha256 TEXT NOT NULL, terms_json TEXT NOT NULL, valid_from INT8 NOT NULL,
    valid_until INT8 NOT NULL, revoked_at INT8, made_at INT8 NOT NULL, superseded_at INT8, PRIMARY KEY (code, made_at)
) STRICT;
CREATE TABLE agreement_use (
    agreement TEXT NOT NULL, per INT4 NOT NULL, window_start INT8 NOT NULL, used INT8 NOT NULL,
    PRIMARY KEY (agreement, per)
) STRICT;
";
