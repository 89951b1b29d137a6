-- The batches that are visible now, and those that were looked at for runs of signed files (NULL: none). Behind ledger_lock,
-- not with it: a statement sees what was there before it waited.
SELECT pg_current_snapshot()::text, (SELECT ran::text FROM rmm.ledger)
