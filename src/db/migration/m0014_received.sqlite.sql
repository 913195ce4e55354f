-- The day on which a dossier was received: of its acceptance, else of its submission, else of its first event, in Viet
-- Nam's time (seven hours ahead), in days since 1970-01-01. Agreements are judged at it.

ALTER TABLE dossier ADD COLUMN received_on INTEGER NOT NULL DEFAULT 0;
UPDATE dossier SET received_on = CAST((COALESCE(
    accepted_at,
    submitted_at,
    (SELECT MIN(occurred_at) FROM dossier_event e
        WHERE e.dossier_id = dossier.id AND e.made_at <= dossier.made_at),
    0
) + 25200000000) / 86400000000 AS INTEGER);
