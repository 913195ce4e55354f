-- The audit log: its records, the hashes over them, and signed checkpoints.
-- `body` is the encoded record, and `hash` that of the leaf. `audit_node` has the complete subtrees of the levels 8,
-- 16, 24 and so on; those below are computed from the records.

CREATE TABLE audit_head (
    id INTEGER PRIMARY KEY,
    size INTEGER NOT NULL,
    peaks TEXT NOT NULL,
    last_at INTEGER NOT NULL,
    checkpoint_size INTEGER NOT NULL,
    checkpoint_at INTEGER NOT NULL,
    public_key TEXT NOT NULL
) STRICT;
INSERT INTO audit_head VALUES (1, 0, '', 0, 0, 0, '');
CREATE TABLE audit_record (
    seq INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    system TEXT NOT NULL,
    method TEXT NOT NULL,
    code INTEGER NOT NULL,
    personal INTEGER NOT NULL,
    body BLOB NOT NULL,
    hash BLOB NOT NULL
) STRICT;
CREATE INDEX audit_record_at ON audit_record (at);
CREATE INDEX audit_record_system ON audit_record (system, seq);
CREATE TABLE audit_subject (
    dossier TEXT NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (dossier, seq)
) STRICT;
CREATE INDEX audit_subject_seq ON audit_subject (seq);
CREATE TABLE audit_node (
    level INTEGER NOT NULL,
    number INTEGER NOT NULL,
    hash BLOB NOT NULL,
    PRIMARY KEY (level, number)
) STRICT;
CREATE TABLE audit_checkpoint (
    size INTEGER PRIMARY KEY,
    note TEXT NOT NULL
) STRICT;
