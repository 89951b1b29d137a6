-- $1 bigint: run, $2 pg_snapshot: batches that were looked at, $3 bigint: end of the window that the run answers, in ticks.
INSERT INTO rmm.ledger_hunts AS l (hunt, version, snapshot, served_to)
SELECT h.number, r.hunt_version, $2::pg_snapshot, $3::bigint
FROM rmm.results r JOIN rmm.hunts h ON h.id = r.hunt_id
WHERE r.run_id = $1::bigint
ORDER BY h.number
ON CONFLICT (hunt) DO UPDATE
SET version = excluded.version, snapshot = excluded.snapshot, served_to = greatest(l.served_to, excluded.served_to)
