-- Groups that indicators are shown in.

CREATE TABLE indicator_group (
    code TEXT NOT NULL,
    name_vi TEXT NOT NULL,
    name_en TEXT NOT NULL,
    display_order INTEGER NOT NULL,
    made_at INTEGER NOT NULL,
    superseded_at INTEGER,
    PRIMARY KEY (code, made_at)
) STRICT;
