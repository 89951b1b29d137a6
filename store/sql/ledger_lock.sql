-- Takes the ledger for this transaction. The batches that are visible now, as a snapshot.
SELECT pg_current_snapshot()::text FROM rmm.ledger FOR UPDATE
