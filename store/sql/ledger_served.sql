-- $1 bigint: run, $2 pg_snapshot: batches that were looked at, $3 integer[]: hunts that have to look again, $4 integer[]: hunts
-- whose sightings depend on the run's window.
INSERT INTO rmm.ledger_hunts (hunt, version, snapshot, by_run)
SELECT h.number, r.hunt_version, $2::pg_snapshot, h.number = ANY($4::integer[])
FROM rmm.results r JOIN rmm.hunts h ON h.id = r.hunt_id
WHERE r.run_id = $1::bigint AND h.number <> ALL($3::integer[])
ORDER BY h.number
ON CONFLICT (hunt) DO UPDATE
SET version = excluded.version, snapshot = excluded.snapshot, by_run = excluded.by_run
