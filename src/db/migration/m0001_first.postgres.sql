-- The first schema: revisions, access, units, indicators, dossiers.
-- `made_at` and `superseded_at` are revisions; the latter is null while the row stands. Days are counted from
-- 1970-01-01, times in microseconds. Decimals are text. `*_json` holds lists that are only ever read and written whole.

CREATE TABLE store_secret (
    id INTEGER PRIMARY KEY,
    secret BYTEA NOT NULL
);
CREATE TABLE head (
    id INTEGER PRIMARY KEY,
    revision BIGINT NOT NULL,
    committed_at BIGINT NOT NULL,
    floor BIGINT NOT NULL,
    units_at BIGINT NOT NULL,
    indicators_at BIGINT NOT NULL,
    procedures_at BIGINT NOT NULL,
    access_at BIGINT NOT NULL
);
INSERT INTO head VALUES (1, 0, 0, 0, 0, 0, 0, 0);
CREATE TABLE revision_log (
    revision BIGINT PRIMARY KEY,
    committed_at BIGINT NOT NULL,
    system_id BIGINT NOT NULL,
    touched INTEGER NOT NULL
);
CREATE INDEX revision_log_time ON revision_log (committed_at, revision);
CREATE TABLE answered_request (
    system_id BIGINT NOT NULL,
    request_id TEXT COLLATE "C" NOT NULL,
    fingerprint BYTEA NOT NULL,
    receipt TEXT COLLATE "C" NOT NULL,
    answered_at BIGINT NOT NULL,
    PRIMARY KEY (system_id, request_id)
);
CREATE TABLE system (
    id BIGINT NOT NULL,
    code TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    grants_json TEXT COLLATE "C" NOT NULL,
    statuses_json TEXT COLLATE "C" NOT NULL,
    disabled BOOLEAN NOT NULL,
    made_at BIGINT NOT NULL,
    superseded_at BIGINT,
    PRIMARY KEY (id, made_at)
);
CREATE TABLE api_key (
    id TEXT COLLATE "C" NOT NULL,
    system_id BIGINT NOT NULL,
    hash BYTEA NOT NULL,
    issued_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    revoked_at BIGINT,
    made_at BIGINT NOT NULL,
    superseded_at BIGINT,
    PRIMARY KEY (id, made_at)
);
CREATE TABLE unit (
    id BIGINT NOT NULL,
    level INTEGER NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    valid_from INTEGER NOT NULL,
    valid_to INTEGER NOT NULL,
    codes_json TEXT COLLATE "C" NOT NULL,
    parents_json TEXT COLLATE "C" NOT NULL,
    made_at BIGINT NOT NULL,
    superseded_at BIGINT,
    PRIMARY KEY (id, made_at)
);
CREATE TABLE unit_succession (
    predecessor_id BIGINT NOT NULL,
    successor_id BIGINT NOT NULL,
    effective_day INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    transfer INTEGER NOT NULL,
    weight TEXT COLLATE "C",
    weight_basis TEXT COLLATE "C" NOT NULL,
    legal_act TEXT COLLATE "C" NOT NULL,
    source TEXT COLLATE "C" NOT NULL,
    made_at BIGINT NOT NULL,
    superseded_at BIGINT,
    PRIMARY KEY (predecessor_id, successor_id, effective_day, made_at)
);
CREATE TABLE indicator (
    id BIGINT NOT NULL,
    code TEXT COLLATE "C" NOT NULL,
    version INTEGER NOT NULL,
    name_vi TEXT COLLATE "C" NOT NULL,
    name_en TEXT COLLATE "C" NOT NULL,
    description TEXT COLLATE "C" NOT NULL,
    kind INTEGER NOT NULL,
    unit_of_measure TEXT COLLATE "C" NOT NULL,
    scale TEXT COLLATE "C",
    direction INTEGER NOT NULL,
    frequency INTEGER NOT NULL,
    calendar INTEGER NOT NULL,
    time_rule INTEGER NOT NULL,
    unit_rule INTEGER NOT NULL,
    numerator TEXT COLLATE "C" NOT NULL,
    denominator TEXT COLLATE "C" NOT NULL,
    legal_basis TEXT COLLATE "C" NOT NULL,
    owner_agency TEXT COLLATE "C" NOT NULL,
    authoritative_source TEXT COLLATE "C" NOT NULL,
    due_days INTEGER NOT NULL,
    sharing_level INTEGER,
    collection_level INTEGER NOT NULL,
    tree INTEGER NOT NULL,
    retired BOOLEAN NOT NULL,
    made_at BIGINT NOT NULL,
    superseded_at BIGINT,
    PRIMARY KEY (id, made_at)
);
CREATE TABLE observation (
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
    PRIMARY KEY (indicator_id, unit_id, period_end, period, breakdown, made_at)
);
CREATE INDEX observation_made ON observation (made_at);
CREATE INDEX observation_period ON observation (indicator_id, period, unit_id);
CREATE TABLE target (
    indicator_id BIGINT NOT NULL,
    unit_id BIGINT NOT NULL,
    period_end INTEGER NOT NULL,
    period TEXT COLLATE "C" NOT NULL,
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
    PRIMARY KEY (indicator_id, unit_id, period_end, period, made_at)
);
CREATE TABLE procedure_definition (
    id BIGINT NOT NULL,
    code TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    field_code TEXT COLLATE "C" NOT NULL,
    field_name TEXT COLLATE "C" NOT NULL,
    owner_level INTEGER,
    online_level INTEGER,
    has_fee BOOLEAN NOT NULL,
    cases_json TEXT COLLATE "C" NOT NULL,
    aliases_json TEXT COLLATE "C" NOT NULL,
    made_at BIGINT NOT NULL,
    superseded_at BIGINT,
    PRIMARY KEY (id, made_at)
);
CREATE TABLE dossier (
    id BIGINT NOT NULL,
    code TEXT COLLATE "C" NOT NULL,
    source_id BIGINT NOT NULL,
    procedure_id BIGINT NOT NULL,
    source_procedure TEXT COLLATE "C" NOT NULL,
    procedure_case TEXT COLLATE "C" NOT NULL,
    receiving_unit_id BIGINT NOT NULL,
    competent_unit_id BIGINT,
    applicant_unit_id BIGINT,
    channel INTEGER,
    applicant_kind INTEGER,
    applicant_json TEXT COLLATE "C",
    fees_json TEXT COLLATE "C" NOT NULL,
    components_json TEXT COLLATE "C" NOT NULL,
    results_json TEXT COLLATE "C" NOT NULL,
    state INTEGER NOT NULL,
    submitted_at BIGINT,
    accepted_at BIGINT,
    due_at BIGINT,
    finished_at BIGINT,
    returned_at BIGINT,
    made_at BIGINT NOT NULL,
    superseded_at BIGINT,
    PRIMARY KEY (id, made_at)
);
CREATE INDEX dossier_code ON dossier (code, made_at);
CREATE INDEX dossier_receiving ON dossier (receiving_unit_id, accepted_at);
CREATE INDEX dossier_made ON dossier (made_at);
CREATE TABLE dossier_event (
    dossier_id BIGINT NOT NULL,
    identity TEXT COLLATE "C" NOT NULL,
    event_id TEXT COLLATE "C" NOT NULL,
    occurred_at BIGINT NOT NULL,
    state INTEGER NOT NULL,
    source_status TEXT COLLATE "C" NOT NULL,
    due_at BIGINT,
    note TEXT COLLATE "C" NOT NULL,
    made_at BIGINT NOT NULL,
    PRIMARY KEY (dossier_id, identity)
);
CREATE INDEX dossier_event_made ON dossier_event (made_at);
