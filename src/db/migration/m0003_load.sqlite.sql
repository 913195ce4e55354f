-- Loads: which stream carries one on.
-- `opening` counts how often a load was opened: the stream that opened it last carries it on.

ALTER TABLE load_position ADD COLUMN opening INTEGER NOT NULL DEFAULT 0;
