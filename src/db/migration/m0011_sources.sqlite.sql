-- What sources are told of: their rejected items, and when something of theirs was accepted last. No part of what is
-- known at a revision. And of a system: the unit whose system it is, and whom to ask.

CREATE TABLE rejection (
    system_id INTEGER NOT NULL,
    list TEXT NOT NULL,
    item TEXT NOT NULL,
    reason INTEGER NOT NULL,
    message TEXT NOT NULL,
    fields TEXT NOT NULL,
    times INTEGER NOT NULL,
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    PRIMARY KEY (system_id, list, item)
) STRICT;
CREATE INDEX rejection_last ON rejection (last_at);

CREATE TABLE source_activity (
    system_id INTEGER NOT NULL PRIMARY KEY,
    accepted_at INTEGER NOT NULL,
    revision INTEGER NOT NULL
) STRICT;

ALTER TABLE system ADD COLUMN agency_unit_id INTEGER;
ALTER TABLE system ADD COLUMN contact TEXT NOT NULL DEFAULT '';
