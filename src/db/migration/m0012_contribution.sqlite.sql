-- Contributed values: what other sources than the authoritative one say of a cell. A table of its own, so that no read of
-- `observation` mixes them in.

CREATE TABLE contribution (
    indicator_id INTEGER NOT NULL,
    unit_id INTEGER NOT NULL,
    period_end INTEGER NOT NULL,
    period TEXT NOT NULL,
    breakdown TEXT NOT NULL,
    made_at INTEGER NOT NULL,
    superseded_at INTEGER,
    committed_at INTEGER NOT NULL,
    period_start INTEGER NOT NULL,
    value TEXT,
    numerator TEXT,
    denominator TEXT,
    qualifier INTEGER NOT NULL,
    status INTEGER NOT NULL,
    as_of INTEGER,
    inconsistent INTEGER NOT NULL,
    definition_version INTEGER NOT NULL,
    source_id INTEGER NOT NULL,
    channel INTEGER,
    source_document TEXT NOT NULL,
    source_record TEXT NOT NULL,
    quote TEXT NOT NULL,
    as_written TEXT NOT NULL,
    note TEXT NOT NULL,
    correction_reason TEXT NOT NULL,
    withdrawal_reason TEXT,
    released_on INTEGER,
    PRIMARY KEY (indicator_id, unit_id, period_end, period, breakdown, source_id, made_at)
) STRICT;
CREATE INDEX contribution_period ON contribution (indicator_id, period, unit_id);
CREATE INDEX contribution_ended ON contribution (superseded_at) WHERE superseded_at IS NOT NULL;
