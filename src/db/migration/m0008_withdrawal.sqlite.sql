-- Withdrawals: what was published wrongly is superseded by a version that says why.
-- A row with a `withdrawal_reason` is a tombstone: its `superseded_at` is its own `made_at`, so that it stands at no
-- revision.

ALTER TABLE observation ADD COLUMN withdrawal_reason TEXT;
ALTER TABLE target ADD COLUMN withdrawal_reason TEXT;
ALTER TABLE procedure_definition ADD COLUMN withdrawal_reason TEXT;
ALTER TABLE dossier ADD COLUMN withdrawal_reason TEXT;
