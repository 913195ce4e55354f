-- Changes of reference data that wait for an administrator, and how they were decided. No part of what is known at a
-- revision.

CREATE TABLE held_change (
    id INTEGER NOT NULL PRIMARY KEY,
    system_id INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    request BLOB NOT NULL,
    opens TEXT NOT NULL,
    held_at INTEGER NOT NULL,
    state INTEGER NOT NULL,
    decided_by INTEGER,
    decided_at INTEGER,
    reason TEXT NOT NULL
) STRICT;
CREATE INDEX held_change_waiting ON held_change (system_id, state);
