-- Definitions with dimensions, groups and both languages; targets by breakdown; when a source released a value.

ALTER TABLE indicator ADD COLUMN description_en TEXT NOT NULL DEFAULT '';
ALTER TABLE indicator ADD COLUMN unit_of_measure_en TEXT NOT NULL DEFAULT '';
ALTER TABLE indicator ADD COLUMN dimensions TEXT NOT NULL DEFAULT '[]';
ALTER TABLE indicator ADD COLUMN group_code TEXT;
ALTER TABLE indicator ADD COLUMN display_order INTEGER NOT NULL DEFAULT 0;
ALTER TABLE indicator ADD COLUMN decimals INTEGER;
ALTER TABLE indicator ADD COLUMN continues TEXT;
ALTER TABLE indicator ADD COLUMN weight TEXT;
ALTER TABLE observation ADD COLUMN released_on INTEGER;

-- A target has a breakdown too, which is part of its key.
CREATE TABLE target_by_breakdown (
    indicator_id INTEGER NOT NULL,
    unit_id INTEGER NOT NULL,
    period_end INTEGER NOT NULL,
    period TEXT NOT NULL,
    breakdown TEXT NOT NULL,
    made_at INTEGER NOT NULL,
    superseded_at INTEGER,
    committed_at INTEGER NOT NULL,
    period_start INTEGER NOT NULL,
    comparison INTEGER NOT NULL,
    value TEXT,
    definition_version INTEGER NOT NULL,
    source_id INTEGER NOT NULL,
    channel INTEGER,
    source_document TEXT NOT NULL,
    source_record TEXT NOT NULL,
    quote TEXT NOT NULL,
    as_written TEXT NOT NULL,
    note TEXT NOT NULL,
    withdrawal_reason TEXT,
    PRIMARY KEY (indicator_id, unit_id, period_end, period, breakdown, made_at)
) STRICT;
INSERT INTO target_by_breakdown (
    indicator_id, unit_id, period_end, period, breakdown, made_at, superseded_at, committed_at, period_start,
    comparison, value, definition_version, source_id, channel, source_document, source_record, quote,
    as_written, note, withdrawal_reason
) SELECT
    indicator_id, unit_id, period_end, period, '', made_at, superseded_at, committed_at, period_start,
    comparison, value, definition_version, source_id, channel, source_document, source_record, quote,
    as_written, note, withdrawal_reason
FROM target;
DROP TABLE target;
ALTER TABLE target_by_breakdown RENAME TO target;
CREATE INDEX target_made ON target (made_at);
CREATE INDEX target_ended ON target (superseded_at) WHERE superseded_at IS NOT NULL;
