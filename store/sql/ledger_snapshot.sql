-- The batches that are visible now. Behind ledger_lock, not with it: a statement sees what was there before it waited.
SELECT pg_current_snapshot()::text
