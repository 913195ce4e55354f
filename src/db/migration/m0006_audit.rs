//! The audit log: its records, the hashes over them, and signed checkpoints.
use sea_orm_migration::{
    MigrationName, MigrationTrait, SchemaManager, async_trait::async_trait, prelude::DbErr,
};

use super::run;

pub(super) struct Change;

impl MigrationName for Change {
    fn name(&self) -> &'static str {
        "m0006_audit"
    }
}

#[async_trait]
impl MigrationTrait for Change {
    #[expect(elided_lifetimes_in_paths, reason = "the trait's own signature")]
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager.get_connection(), SCHEMA).await
    }
}

/// `body` is the encoded record, and `hash` that of the leaf. `audit_node` has the complete subtrees of the levels 8, 16,
/// 24 and so on; those below are computed from the records.
const SCHEMA: &str = "
CREATE TABLE audit_head (
    id INT4 PRIMARY KEY, size INT8 NOT NULL, peaks TEXT NOT NULL, last_at INT8 NOT NULL,
    checkpoint_size INT8 NOT NULL, checkpoint_at INT8 NOT NULL, public_key TEXT NOT NULL
) STRICT;
INSERT INTO audit_head VALUES (1, 0, '', 0, 0, 0, '');
CREATE TABLE audit_record (
    seq INT8 PRIMARY KEY, at INT8 NOT NULL, system TEXT NOT NULL, method TEXT NOT NULL, code INT4 NOT NULL,
    personal BOOL NOT NULL, body BYTES NOT NULL, hash BYTES NOT NULL
) STRICT;
CREATE INDEX audit_record_at ON audit_record (at);
CREATE INDEX audit_record_system ON audit_record (system, seq);
CREATE TABLE audit_subject (
    dossier TEXT NOT NULL, seq INT8 NOT NULL, PRIMARY KEY (dossier, seq)
) STRICT;
CREATE INDEX audit_subject_seq ON audit_subject (seq);
CREATE TABLE audit_node (
    level INT4 NOT NULL, number INT8 NOT NULL, hash BYTES NOT NULL, PRIMARY KEY (level, number)
) STRICT;
CREATE TABLE audit_checkpoint (
    size INT8 PRIMARY KEY, note TEXT NOT NULL
) STRICT;
";
