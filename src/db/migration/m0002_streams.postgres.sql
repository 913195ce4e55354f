-- Streams: the store's epoch, what readers were told, what a revision made, and how far feeds and loads have come.
-- `epoch` is another number after a backup was restored: revisions that were handed out before may then mean something
-- else. `told_at` is the last instant up to which a reader was told everything. `items` counts what a revision created
-- or corrected; -1 where it was not counted.

ALTER TABLE head ADD COLUMN epoch BIGINT NOT NULL DEFAULT 0;
ALTER TABLE head ADD COLUMN told_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE revision_log ADD COLUMN items INTEGER NOT NULL DEFAULT -1;
CREATE INDEX target_made ON target (made_at);
CREATE INDEX observation_ended ON observation (superseded_at) WHERE superseded_at IS NOT NULL;
CREATE INDEX target_ended ON target (superseded_at) WHERE superseded_at IS NOT NULL;
CREATE INDEX dossier_ended ON dossier (superseded_at) WHERE superseded_at IS NOT NULL;
CREATE TABLE feed_position (
    system_id BIGINT NOT NULL,
    consumer TEXT COLLATE "C" NOT NULL,
    revision BIGINT NOT NULL,
    acknowledged_at BIGINT NOT NULL,
    PRIMARY KEY (system_id, consumer)
);
CREATE TABLE load_position (
    system_id BIGINT NOT NULL,
    load TEXT COLLATE "C" NOT NULL,
    item BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    moved_at BIGINT NOT NULL,
    PRIMARY KEY (system_id, load)
);
CREATE TABLE compaction (
    revision BIGINT PRIMARY KEY,
    floor BIGINT NOT NULL,
    keep_before BIGINT NOT NULL,
    reason TEXT COLLATE "C" NOT NULL
);
