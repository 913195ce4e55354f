-- Identity: when keys were used last.
-- `last_used_at` in microseconds; written each minute, outside the revisions.

CREATE TABLE key_use (
    key_id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    last_used_at BIGINT NOT NULL
);
