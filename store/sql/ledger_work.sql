-- $1 bigint: run. Its hunts that can be run: number, version, query, the snapshot up to which the ledger has read for this
-- version or NULL, whether its sightings depend on the run's window.
SELECT h.number, r.hunt_version, v.query, CASE WHEN l.version = r.hunt_version THEN l.snapshot::text END,
       coalesce(l.by_run AND l.version = r.hunt_version, false)
FROM rmm.results r
JOIN rmm.hunts h ON h.id = r.hunt_id AND h.state = 'ready'
JOIN rmm.hunt_versions v ON v.hunt_id = r.hunt_id AND v.version = r.hunt_version
LEFT JOIN rmm.ledger_hunts l ON l.hunt = h.number
WHERE r.run_id = $1::bigint
ORDER BY h.number
