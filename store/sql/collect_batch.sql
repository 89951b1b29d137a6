-- The newest commit.
SELECT coalesce(max(id), 0) FROM rmm.batches
