//! The first schema: revisions, access, units, indicators, dossiers.
use sea_orm_migration::{
    MigrationName, MigrationTrait, SchemaManager, async_trait::async_trait, prelude::DbErr,
};

use super::run;

pub(super) struct Change;

impl MigrationName for Change {
    fn name(&self) -> &'static str {
        "m0001_first"
    }
}

#[async_trait]
impl MigrationTrait for Change {
    #[expect(elided_lifetimes_in_paths, reason = "the trait's own signature")]
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager.get_connection(), SCHEMA).await
    }
}

/// `made_at` and `superseded_at` are revisions; the latter is null while the row stands. Days are counted from 1970-01-01,
/// times in microseconds. Decimals are text. `*_json` holds lists that are only ever read and written whole.
const SCHEMA: &str = "
CREATE TABLE store_secret (id INT4 PRIMARY KEY, secret BYTES NOT NULL) STRICT;
CREATE TABLE head (
    id INT4 PRIMARY KEY, revision INT8 NOT NULL, committed_at INT8 NOT NULL, floor INT8 NOT NULL,
    units_at INT8 NOT NULL, indicators_at INT8 NOT NULL, procedures_at INT8 NOT NULL, access_at INT8 NOT NULL
) STRICT;
INSERT INTO head VALUES (1, 0, 0, 0, 0, 0, 0, 0);
CREATE TABLE revision_log (
    revision INT8 PRIMARY KEY, committed_at INT8 NOT NULL, system_id INT8 NOT NULL, touched INT4 NOT NULL
) STRICT;
CREATE INDEX revision_log_time ON revision_log (committed_at, revision);
CREATE TABLE answered_request (
    system_id INT8 NOT NULL, request_id TEXT NOT NULL, fingerprint BYTES NOT NULL, receipt TEXT NOT NULL,
    answered_at INT8 NOT NULL, PRIMARY KEY (system_id, request_id)
) STRICT;
CREATE TABLE system (
    id INT8 NOT NULL, code TEXT NOT NULL, name TEXT NOT NULL, grants_json TEXT NOT NULL, statuses_json TEXT NOT NULL,
    disabled BOOL NOT NULL, made_at INT8 NOT NULL, superseded_at INT8, PRIMARY KEY (id, made_at)
) STRICT;
CREATE TABLE api_key (
    id TEXT NOT NULL, system_id INT8 NOT NULL, hash BYTES NOT NULL, issued_at INT8 NOT NULL, expires_at INT8 NOT NULL,
    revoked_at INT8, made_at INT8 NOT NULL, superseded_at INT8, PRIMARY KEY (id, made_at)
) STRICT;
CREATE TABLE unit (
    id INT8 NOT NULL, level INT4 NOT NULL, name TEXT NOT NULL, valid_from INT4 NOT NULL, valid_to INT4 NOT NULL,
    codes_json TEXT NOT NULL, parents_json TEXT NOT NULL, made_at INT8 NOT NULL, superseded_at INT8,
    PRIMARY KEY (id, made_at)
) STRICT;
CREATE TABLE unit_succession (
    predecessor_id INT8 NOT NULL, successor_id INT8 NOT NULL, effective_day INT4 NOT NULL, kind INT4 NOT NULL,
    transfer INT4 NOT NULL, weight TEXT, weight_basis TEXT NOT NULL, legal_act TEXT NOT NULL, source TEXT NOT NULL,
    made_at INT8 NOT NULL, superseded_at INT8, PRIMARY KEY (predecessor_id, successor_id, effective_day, made_at)
) STRICT;
CREATE TABLE indicator (
    id INT8 NOT NULL, code TEXT NOT NULL, version INT4 NOT NULL, name_vi TEXT NOT NULL, name_en TEXT NOT NULL,
    description TEXT NOT NULL, kind INT4 NOT NULL, unit_of_measure TEXT NOT NULL, scale TEXT, direction INT4 NOT NULL,
    frequency INT4 NOT NULL, calendar INT4 NOT NULL, time_rule INT4 NOT NULL, unit_rule INT4 NOT NULL,
    numerator TEXT NOT NULL, denominator TEXT NOT NULL, legal_basis TEXT NOT NULL, owner_agency TEXT NOT NULL,
    authoritative_source TEXT NOT NULL, due_days INT4 NOT NULL, sharing_level INT4, collection_level INT4 NOT NULL,
    tree INT4 NOT NULL, retired BOOL NOT NULL, made_at INT8 NOT NULL, superseded_at INT8, PRIMARY KEY (id, made_at)
) STRICT;
CREATE TABLE observation (
    indicator_id INT8 NOT NULL, unit_id INT8 NOT NULL, period_end INT4 NOT NULL, period TEXT NOT NULL,
    breakdown TEXT NOT NULL, made_at INT8 NOT NULL, superseded_at INT8, committed_at INT8 NOT NULL,
    period_start INT4 NOT NULL, value TEXT, numerator TEXT, denominator TEXT, qualifier INT4 NOT NULL, status INT4 NOT NULL, as_of INT4,
    inconsistent BOOL NOT NULL, definition_version INT4 NOT NULL, source_id INT8 NOT NULL, channel INT4,
    source_document TEXT NOT NULL, source_record TEXT NOT NULL, quote TEXT NOT NULL, as_written TEXT NOT NULL,
    note TEXT NOT NULL, correction_reason TEXT NOT NULL,
    PRIMARY KEY (indicator_id, unit_id, period_end, period, breakdown, made_at)
) STRICT;
CREATE INDEX observation_made ON observation (made_at);
CREATE INDEX observation_period ON observation (indicator_id, period, unit_id);
CREATE TABLE target (
    indicator_id INT8 NOT NULL, unit_id INT8 NOT NULL, period_end INT4 NOT NULL, period TEXT NOT NULL,
    made_at INT8 NOT NULL, superseded_at INT8, committed_at INT8 NOT NULL, period_start INT4 NOT NULL, comparison INT4 NOT NULL, value TEXT,
    definition_version INT4 NOT NULL, source_id INT8 NOT NULL, channel INT4, source_document TEXT NOT NULL,
    source_record TEXT NOT NULL, quote TEXT NOT NULL, as_written TEXT NOT NULL, note TEXT NOT NULL,
    PRIMARY KEY (indicator_id, unit_id, period_end, period, made_at)
) STRICT;
CREATE TABLE procedure_definition (
    id INT8 NOT NULL, code TEXT NOT NULL, name TEXT NOT NULL, field_code TEXT NOT NULL, field_name TEXT NOT NULL,
    owner_level INT4, online_level INT4, has_fee BOOL NOT NULL, cases_json TEXT NOT NULL, aliases_json TEXT NOT NULL,
    made_at INT8 NOT NULL, superseded_at INT8, PRIMARY KEY (id, made_at)
) STRICT;
CREATE TABLE dossier (
    id INT8 NOT NULL, code TEXT NOT NULL, source_id INT8 NOT NULL, procedure_id INT8 NOT NULL,
    source_procedure TEXT NOT NULL, procedure_case TEXT NOT NULL, receiving_unit_id INT8 NOT NULL,
    competent_unit_id INT8, applicant_unit_id INT8, channel INT4, applicant_kind INT4, applicant_json TEXT,
    fees_json TEXT NOT NULL, components_json TEXT NOT NULL, results_json TEXT NOT NULL, state INT4 NOT NULL,
    submitted_at INT8, accepted_at INT8, due_at INT8, finished_at INT8, returned_at INT8,
    made_at INT8 NOT NULL, superseded_at INT8, PRIMARY KEY (id, made_at)
) STRICT;
CREATE INDEX dossier_code ON dossier (code, made_at);
CREATE INDEX dossier_receiving ON dossier (receiving_unit_id, accepted_at);
CREATE INDEX dossier_made ON dossier (made_at);
CREATE TABLE dossier_event (
    dossier_id INT8 NOT NULL, identity TEXT NOT NULL, event_id TEXT NOT NULL, occurred_at INT8 NOT NULL,
    state INT4 NOT NULL, source_status TEXT NOT NULL, due_at INT8, note TEXT NOT NULL, made_at INT8 NOT NULL,
    PRIMARY KEY (dossier_id, identity)
) STRICT;
CREATE INDEX dossier_event_made ON dossier_event (made_at);
";
