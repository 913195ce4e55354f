//! Personal data: sealed, found by digests, and erased on lawful request.
use sea_orm_migration::{
    MigrationName, MigrationTrait, SchemaManager, async_trait::async_trait, prelude::DbErr,
};

use super::run;

pub(super) struct Change;

impl MigrationName for Change {
    fn name(&self) -> &'static str {
        "m0007_personal"
    }
}

#[async_trait]
impl MigrationTrait for Change {
    #[expect(elided_lifetimes_in_paths, reason = "the trait's own signature")]
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager.get_connection(), SCHEMA).await
    }
}

/// `data_key` tells the keys of personal data apart, so that a hub that was given others does not start.
const SCHEMA: &str = "
ALTER TABLE dossier RENAME COLUMN applicant_json TO applicant;
ALTER TABLE dossier ADD COLUMN identity_digest TEXT;
ALTER TABLE dossier ADD COLUMN phone_digest TEXT;
ALTER TABLE dossier ADD COLUMN email_digest TEXT;
ALTER TABLE dossier ADD COLUMN erased BOOL NOT NULL DEFAULT FALSE;
CREATE INDEX dossier_identity ON dossier (identity_digest, code) WHERE identity_digest IS NOT NULL;
CREATE INDEX dossier_phone ON dossier (phone_digest, code) WHERE phone_digest IS NOT NULL;
CREATE INDEX dossier_email ON dossier (email_digest, code) WHERE email_digest IS NOT NULL;
CREATE TABLE data_key (
    name TEXT PRIMARY KEY, digest TEXT NOT NULL
) STRICT;
CREATE TABLE erasure (
    dossier_id INT8 NOT NULL, revision INT8 NOT NULL, superseded_only BOOL NOT NULL, legal_basis TEXT NOT NULL,
    PRIMARY KEY (dossier_id, revision)
) STRICT;
";
