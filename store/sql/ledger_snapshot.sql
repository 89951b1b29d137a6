-- The batches that this transaction sees. Behind ledger_lock, which begins it: so the whole pass before is among them.
SELECT pg_current_snapshot()::text
