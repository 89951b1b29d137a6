-- The batches that this transaction sees, and those that were looked at for runs of signed files (NULL: none). Behind
-- ledger_lock, which begins it: so the whole pass before is among them.
SELECT pg_current_snapshot()::text, (SELECT ran::text FROM rmm.ledger)
