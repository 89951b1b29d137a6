-- $1 pg_snapshot: batches that were looked at for runs of signed files.
UPDATE rmm.ledger SET ran = $1::pg_snapshot
