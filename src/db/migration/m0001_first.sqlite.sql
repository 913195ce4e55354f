-- The first schema: revisions, access, units, indicators, dossiers.
-- `made_at` and `superseded_at` are revisions; the latter is null while the row stands. Days are counted from
-- 1970-01-01, times in microseconds. Decimals are text. `*_json` holds lists that are only ever read and written whole.

CREATE TABLE store_secret (
    id INTEGER PRIMARY KEY,
    secret BLOB NOT NULL
) STRICT;
CREATE TABLE head (
    id INTEGER PRIMARY KEY,
    revision INTEGER NOT NULL,
    committed_at INTEGER NOT NULL,
    floor INTEGER NOT NULL,
    units_at INTEGER NOT NULL,
    indicators_at INTEGER NOT NULL,
    procedures_at INTEGER NOT NULL,
    access_at INTEGER NOT NULL
) STRICT;
INSERT INTO head VALUES (1, 0, 0, 0, 0, 0, 0, 0);
CREATE TABLE revision_log (
    revision INTEGER PRIMARY KEY,
    committed_at INTEGER NOT NULL,
    system_id INTEGER NOT NULL,
    touched INTEGER NOT NULL
) STRICT;
CREATE INDEX revision_log_time ON revision_log (committed_at, revision);
CREATE TABLE answered_request (
    system_id INTEGER NOT NULL,
    request_id TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    receipt TEXT NOT NULL,
    answered_at INTEGER NOT NULL,
    PRIMARY KEY (system_id, request_id)
) STRICT;
CREATE TABLE system (
    id INTEGER NOT NULL,
    code TEXT NOT NULL,
    name TEXT NOT NULL,
    grants_json TEXT NOT NULL,
    statuses_json TEXT NOT NULL,
    disabled INTEGER NOT NULL,
    made_at INTEGER NOT NULL,
    superseded_at INTEGER,
    PRIMARY KEY (id, made_at)
) STRICT;
CREATE TABLE api_key (
    id TEXT NOT NULL,
    system_id INTEGER NOT NULL,
    hash BLOB NOT NULL,
    issued_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    revoked_at INTEGER,
    made_at INTEGER NOT NULL,
    superseded_at INTEGER,
    PRIMARY KEY (id, made_at)
) STRICT;
CREATE TABLE unit (
    id INTEGER NOT NULL,
    level INTEGER NOT NULL,
    name TEXT NOT NULL,
    valid_from INTEGER NOT NULL,
    valid_to INTEGER NOT NULL,
    codes_json TEXT NOT NULL,
    parents_json TEXT NOT NULL,
    made_at INTEGER NOT NULL,
    superseded_at INTEGER,
    PRIMARY KEY (id, made_at)
) STRICT;
CREATE TABLE unit_succession (
    predecessor_id INTEGER NOT NULL,
    successor_id INTEGER NOT NULL,
    effective_day INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    transfer INTEGER NOT NULL,
    weight TEXT,
    weight_basis TEXT NOT NULL,
    legal_act TEXT NOT NULL,
    source TEXT NOT NULL,
    made_at INTEGER NOT NULL,
    superseded_at INTEGER,
    PRIMARY KEY (predecessor_id, successor_id, effective_day, made_at)
) STRICT;
CREATE TABLE indicator (
    id INTEGER NOT NULL,
    code TEXT NOT NULL,
    version INTEGER NOT NULL,
    name_vi TEXT NOT NULL,
    name_en TEXT NOT NULL,
    description TEXT NOT NULL,
    kind INTEGER NOT NULL,
    unit_of_measure TEXT NOT NULL,
    scale TEXT,
    direction INTEGER NOT NULL,
    frequency INTEGER NOT NULL,
    calendar INTEGER NOT NULL,
    time_rule INTEGER NOT NULL,
    unit_rule INTEGER NOT NULL,
    numerator TEXT NOT NULL,
    denominator TEXT NOT NULL,
    legal_basis TEXT NOT NULL,
    owner_agency TEXT NOT NULL,
    authoritative_source TEXT NOT NULL,
    due_days INTEGER NOT NULL,
    sharing_level INTEGER,
    collection_level INTEGER NOT NULL,
    tree INTEGER NOT NULL,
    retired INTEGER NOT NULL,
    made_at INTEGER NOT NULL,
    superseded_at INTEGER,
    PRIMARY KEY (id, made_at)
) STRICT;
CREATE TABLE observation (
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
    PRIMARY KEY (indicator_id, unit_id, period_end, period, breakdown, made_at)
) STRICT;
CREATE INDEX observation_made ON observation (made_at);
CREATE INDEX observation_period ON observation (indicator_id, period, unit_id);
CREATE TABLE target (
    indicator_id INTEGER NOT NULL,
    unit_id INTEGER NOT NULL,
    period_end INTEGER NOT NULL,
    period TEXT NOT NULL,
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
    PRIMARY KEY (indicator_id, unit_id, period_end, period, made_at)
) STRICT;
CREATE TABLE procedure_definition (
    id INTEGER NOT NULL,
    code TEXT NOT NULL,
    name TEXT NOT NULL,
    field_code TEXT NOT NULL,
    field_name TEXT NOT NULL,
    owner_level INTEGER,
    online_level INTEGER,
    has_fee INTEGER NOT NULL,
    cases_json TEXT NOT NULL,
    aliases_json TEXT NOT NULL,
    made_at INTEGER NOT NULL,
    superseded_at INTEGER,
    PRIMARY KEY (id, made_at)
) STRICT;
CREATE TABLE dossier (
    id INTEGER NOT NULL,
    code TEXT NOT NULL,
    source_id INTEGER NOT NULL,
    procedure_id INTEGER NOT NULL,
    source_procedure TEXT NOT NULL,
    procedure_case TEXT NOT NULL,
    receiving_unit_id INTEGER NOT NULL,
    competent_unit_id INTEGER,
    applicant_unit_id INTEGER,
    channel INTEGER,
    applicant_kind INTEGER,
    applicant_json TEXT,
    fees_json TEXT NOT NULL,
    components_json TEXT NOT NULL,
    results_json TEXT NOT NULL,
    state INTEGER NOT NULL,
    submitted_at INTEGER,
    accepted_at INTEGER,
    due_at INTEGER,
    finished_at INTEGER,
    returned_at INTEGER,
    made_at INTEGER NOT NULL,
    superseded_at INTEGER,
    PRIMARY KEY (id, made_at)
) STRICT;
CREATE INDEX dossier_code ON dossier (code, made_at);
CREATE INDEX dossier_receiving ON dossier (receiving_unit_id, accepted_at);
CREATE INDEX dossier_made ON dossier (made_at);
CREATE TABLE dossier_event (
    dossier_id INTEGER NOT NULL,
    identity TEXT NOT NULL,
    event_id TEXT NOT NULL,
    occurred_at INTEGER NOT NULL,
    state INTEGER NOT NULL,
    source_status TEXT NOT NULL,
    due_at INTEGER,
    note TEXT NOT NULL,
    made_at INTEGER NOT NULL,
    PRIMARY KEY (dossier_id, identity)
) STRICT;
CREATE INDEX dossier_event_made ON dossier_event (made_at);
