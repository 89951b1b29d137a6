-- $1 bigint: run, $2 pg_snapshot: batches that were looked at, $3 bigint: end of the window that the run answers, in ticks,
-- $4 integer[]: hunts that have to look again, $5 integer[]: hunts whose sightings depend on the run's window.
INSERT INTO rmm.ledger_hunts AS l (hunt, version, snapshot, served_to, by_run)
SELECT h.number, r.hunt_version, $2::pg_snapshot, $3::bigint, h.number = ANY($5::integer[])
FROM rmm.results r JOIN rmm.hunts h ON h.id = r.hunt_id
WHERE r.run_id = $1::bigint AND h.number <> ALL($4::integer[])
ORDER BY h.number
ON CONFLICT (hunt) DO UPDATE
SET version = excluded.version, snapshot = excluded.snapshot, by_run = excluded.by_run,
    served_to = CASE WHEN l.version = excluded.version THEN greatest(l.served_to, excluded.served_to) ELSE excluded.served_to END
