//! Streams: the store's epoch, what readers were told, what a revision made, and how far feeds and loads have come.
use sea_orm_migration::{
    MigrationName, MigrationTrait, SchemaManager, async_trait::async_trait, prelude::DbErr,
};

use super::run;

pub(super) struct Change;

impl MigrationName for Change {
    fn name(&self) -> &'static str {
        "m0002_streams"
    }
}

#[async_trait]
impl MigrationTrait for Change {
    #[expect(elided_lifetimes_in_paths, reason = "the trait's own signature")]
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager.get_connection(), SCHEMA).await
    }
}

/// `epoch` is another number after a backup was restored: revisions that were handed out before may then mean something
/// else. `told_at` is the last instant up to which a reader was told everything. `items` counts what a
/// revision created or corrected; -1 where it was not counted.
const SCHEMA: &str = "
ALTER TABLE head ADD COLUMN epoch INT8 NOT NULL DEFAULT 0;
ALTER TABLE head ADD COLUMN told_at INT8 NOT NULL DEFAULT 0;
ALTER TABLE revision_log ADD COLUMN items INT4 NOT NULL DEFAULT -1;
CREATE INDEX target_made ON target (made_at);
CREATE INDEX observation_ended ON observation (superseded_at) WHERE superseded_at IS NOT NULL;
CREATE INDEX target_ended ON target (superseded_at) WHERE superseded_at IS NOT NULL;
CREATE INDEX dossier_ended ON dossier (superseded_at) WHERE superseded_at IS NOT NULL;
CREATE TABLE feed_position (
    system_id INT8 NOT NULL, consumer TEXT NOT NULL, revision INT8 NOT NULL, acknowledged_at INT8 NOT NULL,
    PRIMARY KEY (system_id, consumer)
) STRICT;
CREATE TABLE load_position (
    system_id INT8 NOT NULL, load TEXT NOT NULL, item INT8 NOT NULL, revision INT8 NOT NULL, moved_at INT8 NOT NULL,
    PRIMARY KEY (system_id, load)
) STRICT;
CREATE TABLE compaction (
    revision INT8 PRIMARY KEY, floor INT8 NOT NULL, keep_before INT8 NOT NULL, reason TEXT NOT NULL
) STRICT;
";
