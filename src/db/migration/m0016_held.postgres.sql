-- Changes of reference data that wait for an administrator, and how they were decided. No part of what is known at a
-- revision.

CREATE TABLE held_change (
    id BIGINT NOT NULL PRIMARY KEY,
    system_id BIGINT NOT NULL,
    kind INTEGER NOT NULL,
    request BYTEA NOT NULL,
    opens TEXT COLLATE "C" NOT NULL,
    held_at BIGINT NOT NULL,
    state INTEGER NOT NULL,
    decided_by BIGINT,
    decided_at BIGINT,
    reason TEXT COLLATE "C" NOT NULL
);
CREATE INDEX held_change_waiting ON held_change (system_id, state);
