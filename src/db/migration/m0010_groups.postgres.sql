-- Groups that indicators are shown in.

CREATE TABLE indicator_group (
    code TEXT COLLATE "C" NOT NULL,
    name_vi TEXT COLLATE "C" NOT NULL,
    name_en TEXT COLLATE "C" NOT NULL,
    display_order INTEGER NOT NULL,
    made_at BIGINT NOT NULL,
    superseded_at BIGINT,
    PRIMARY KEY (code, made_at)
);
