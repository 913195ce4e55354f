-- Agreements, and how often each was used.
-- `agreement_use` is counted in place and is no part of the revisions: one row for each length of window, with the
-- window that was counted last.

CREATE TABLE agreement (
    code TEXT NOT NULL,
    system_id INTEGER NOT NULL,
    purpose TEXT NOT NULL,
    title TEXT NOT NULL,
    legal_basis TEXT NOT NULL,
    document_number TEXT NOT NULL,
    document_sha256 TEXT NOT NULL,
    terms_json TEXT NOT NULL,
    valid_from INTEGER NOT NULL,
    valid_until INTEGER NOT NULL,
    revoked_at INTEGER,
    made_at INTEGER NOT NULL,
    superseded_at INTEGER,
    PRIMARY KEY (code, made_at)
) STRICT;
CREATE TABLE agreement_use (
    agreement TEXT NOT NULL,
    per INTEGER NOT NULL,
    window_start INTEGER NOT NULL,
    used INTEGER NOT NULL,
    PRIMARY KEY (agreement, per)
) STRICT;
