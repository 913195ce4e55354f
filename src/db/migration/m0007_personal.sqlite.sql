-- Personal data: sealed, found by digests, and erased on lawful request.
-- `data_key` tells the keys of personal data apart, so that a hub that was given others does not start.

ALTER TABLE dossier RENAME COLUMN applicant_json TO applicant;
ALTER TABLE dossier ADD COLUMN identity_digest TEXT;
ALTER TABLE dossier ADD COLUMN phone_digest TEXT;
ALTER TABLE dossier ADD COLUMN email_digest TEXT;
ALTER TABLE dossier ADD COLUMN erased INTEGER NOT NULL DEFAULT FALSE;
CREATE INDEX dossier_identity ON dossier (identity_digest, code) WHERE identity_digest IS NOT NULL;
CREATE INDEX dossier_phone ON dossier (phone_digest, code) WHERE phone_digest IS NOT NULL;
CREATE INDEX dossier_email ON dossier (email_digest, code) WHERE email_digest IS NOT NULL;
CREATE TABLE data_key (
    name TEXT PRIMARY KEY,
    digest TEXT NOT NULL
) STRICT;
CREATE TABLE erasure (
    dossier_id INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    superseded_only INTEGER NOT NULL,
    legal_basis TEXT NOT NULL,
    PRIMARY KEY (dossier_id, revision)
) STRICT;
