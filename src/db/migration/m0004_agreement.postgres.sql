-- Agreements, and how often each was used.
-- `agreement_use` is counted in place and is no part of the revisions: one row for each length of window, with the
-- window that was counted last.

CREATE TABLE agreement (
    code TEXT COLLATE "C" NOT NULL,
    system_id BIGINT NOT NULL,
    purpose TEXT COLLATE "C" NOT NULL,
    title TEXT COLLATE "C" NOT NULL,
    legal_basis TEXT COLLATE "C" NOT NULL,
    document_number TEXT COLLATE "C" NOT NULL,
    document_sha256 TEXT COLLATE "C" NOT NULL,
    terms_json TEXT COLLATE "C" NOT NULL,
    valid_from BIGINT NOT NULL,
    valid_until BIGINT NOT NULL,
    revoked_at BIGINT,
    made_at BIGINT NOT NULL,
    superseded_at BIGINT,
    PRIMARY KEY (code, made_at)
);
CREATE TABLE agreement_use (
    agreement TEXT COLLATE "C" NOT NULL,
    per INTEGER NOT NULL,
    window_start BIGINT NOT NULL,
    used BIGINT NOT NULL,
    PRIMARY KEY (agreement, per)
);
