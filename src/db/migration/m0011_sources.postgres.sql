-- What sources are told of: their rejected items, and when something of theirs was accepted last. No part of what is
-- known at a revision. And of a system: the unit whose system it is, and whom to ask.

CREATE TABLE rejection (
    system_id BIGINT NOT NULL,
    list TEXT COLLATE "C" NOT NULL,
    item TEXT COLLATE "C" NOT NULL,
    reason INTEGER NOT NULL,
    message TEXT COLLATE "C" NOT NULL,
    fields TEXT COLLATE "C" NOT NULL,
    times BIGINT NOT NULL,
    first_at BIGINT NOT NULL,
    last_at BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    PRIMARY KEY (system_id, list, item)
);
CREATE INDEX rejection_last ON rejection (last_at);

CREATE TABLE source_activity (
    system_id BIGINT NOT NULL PRIMARY KEY,
    accepted_at BIGINT NOT NULL,
    revision BIGINT NOT NULL
);

ALTER TABLE system ADD COLUMN agency_unit_id BIGINT;
ALTER TABLE system ADD COLUMN contact TEXT COLLATE "C" NOT NULL DEFAULT '';
