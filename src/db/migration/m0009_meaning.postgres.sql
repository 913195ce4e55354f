-- Definitions with dimensions, groups and both languages; targets by breakdown; when a source released a value.

ALTER TABLE indicator ADD COLUMN description_en TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE indicator ADD COLUMN unit_of_measure_en TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE indicator ADD COLUMN dimensions TEXT COLLATE "C" NOT NULL DEFAULT '[]';
ALTER TABLE indicator ADD COLUMN group_code TEXT COLLATE "C";
ALTER TABLE indicator ADD COLUMN display_order INTEGER NOT NULL DEFAULT 0;
ALTER TABLE indicator ADD COLUMN decimals INTEGER;
ALTER TABLE indicator ADD COLUMN continues TEXT COLLATE "C";
ALTER TABLE indicator ADD COLUMN weight TEXT COLLATE "C";
ALTER TABLE observation ADD COLUMN released_on INTEGER;

-- A target has a breakdown too, which is part of its key.
CREATE TABLE target_by_breakdown (
    indicator_id BIGINT NOT NULL,
    unit_id BIGINT NOT NULL,
    period_end INTEGER NOT NULL,
    period TEXT COLLATE "C" NOT NULL,
    breakdown TEXT COLLATE "C" NOT NULL,
    made_at BIGINT NOT NULL,
    superseded_at BIGINT,
    committed_at BIGINT NOT NULL,
    period_start INTEGER NOT NULL,
    comparison INTEGER NOT NULL,
    value TEXT COLLATE "C",
    definition_version INTEGER NOT NULL,
    source_id BIGINT NOT NULL,
    channel INTEGER,
    source_document TEXT COLLATE "C" NOT NULL,
    source_record TEXT COLLATE "C" NOT NULL,
    quote TEXT COLLATE "C" NOT NULL,
    as_written TEXT COLLATE "C" NOT NULL,
    note TEXT COLLATE "C" NOT NULL,
    withdrawal_reason TEXT COLLATE "C",
    PRIMARY KEY (indicator_id, unit_id, period_end, period, breakdown, made_at)
);
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
