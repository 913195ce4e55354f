-- Contributed values: what other sources than the authoritative one say of a cell. A table of its own, so that no read of
-- `observation` mixes them in.

CREATE TABLE contribution (
    indicator_id BIGINT NOT NULL,
    unit_id BIGINT NOT NULL,
    period_end INTEGER NOT NULL,
    period TEXT COLLATE "C" NOT NULL,
    breakdown TEXT COLLATE "C" NOT NULL,
    made_at BIGINT NOT NULL,
    superseded_at BIGINT,
    committed_at BIGINT NOT NULL,
    period_start INTEGER NOT NULL,
    value TEXT COLLATE "C",
    numerator TEXT COLLATE "C",
    denominator TEXT COLLATE "C",
    qualifier INTEGER NOT NULL,
    status INTEGER NOT NULL,
    as_of INTEGER,
    inconsistent BOOLEAN NOT NULL,
    definition_version INTEGER NOT NULL,
    source_id BIGINT NOT NULL,
    channel INTEGER,
    source_document TEXT COLLATE "C" NOT NULL,
    source_record TEXT COLLATE "C" NOT NULL,
    quote TEXT COLLATE "C" NOT NULL,
    as_written TEXT COLLATE "C" NOT NULL,
    note TEXT COLLATE "C" NOT NULL,
    correction_reason TEXT COLLATE "C" NOT NULL,
    withdrawal_reason TEXT COLLATE "C",
    released_on INTEGER,
    PRIMARY KEY (indicator_id, unit_id, period_end, period, breakdown, source_id, made_at)
);
CREATE INDEX contribution_period ON contribution (indicator_id, period, unit_id);
CREATE INDEX contribution_ended ON contribution (superseded_at) WHERE superseded_at IS NOT NULL;
