-- Personal data: sealed, found by digests, and erased on lawful request.
-- `data_key` tells the keys of personal data apart, so that a hub that was given others does not start.

ALTER TABLE dossier RENAME COLUMN applicant_json TO applicant;
ALTER TABLE dossier ADD COLUMN identity_digest TEXT COLLATE "C";
ALTER TABLE dossier ADD COLUMN phone_digest TEXT COLLATE "C";
ALTER TABLE dossier ADD COLUMN email_digest TEXT COLLATE "C";
ALTER TABLE dossier ADD COLUMN erased BOOLEAN NOT NULL DEFAULT FALSE;
CREATE INDEX dossier_identity ON dossier (identity_digest, code) WHERE identity_digest IS NOT NULL;
CREATE INDEX dossier_phone ON dossier (phone_digest, code) WHERE phone_digest IS NOT NULL;
CREATE INDEX dossier_email ON dossier (email_digest, code) WHERE email_digest IS NOT NULL;
CREATE TABLE data_key (
    name TEXT COLLATE "C" PRIMARY KEY,
    digest TEXT COLLATE "C" NOT NULL
);
CREATE TABLE erasure (
    dossier_id BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    superseded_only BOOLEAN NOT NULL,
    legal_basis TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (dossier_id, revision)
);
