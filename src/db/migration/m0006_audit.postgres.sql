-- The audit log: its records, the hashes over them, and signed checkpoints.
-- `body` is the encoded record, and `hash` that of the leaf. `audit_node` has the complete subtrees of the levels 8,
-- 16, 24 and so on; those below are computed from the records.

CREATE TABLE audit_head (
    id INTEGER PRIMARY KEY,
    size BIGINT NOT NULL,
    peaks TEXT COLLATE "C" NOT NULL,
    last_at BIGINT NOT NULL,
    checkpoint_size BIGINT NOT NULL,
    checkpoint_at BIGINT NOT NULL,
    public_key TEXT COLLATE "C" NOT NULL
);
INSERT INTO audit_head VALUES (1, 0, '', 0, 0, 0, '');
CREATE TABLE audit_record (
    seq BIGINT PRIMARY KEY,
    at BIGINT NOT NULL,
    system TEXT COLLATE "C" NOT NULL,
    method TEXT COLLATE "C" NOT NULL,
    code INTEGER NOT NULL,
    personal BOOLEAN NOT NULL,
    body BYTEA NOT NULL,
    hash BYTEA NOT NULL
);
CREATE INDEX audit_record_at ON audit_record (at);
CREATE INDEX audit_record_system ON audit_record (system, seq);
CREATE TABLE audit_subject (
    dossier TEXT COLLATE "C" NOT NULL,
    seq BIGINT NOT NULL,
    PRIMARY KEY (dossier, seq)
);
CREATE INDEX audit_subject_seq ON audit_subject (seq);
CREATE TABLE audit_node (
    level INTEGER NOT NULL,
    number BIGINT NOT NULL,
    hash BYTEA NOT NULL,
    PRIMARY KEY (level, number)
);
CREATE TABLE audit_checkpoint (
    size BIGINT PRIMARY KEY,
    note TEXT COLLATE "C" NOT NULL
);
