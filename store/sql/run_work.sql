-- $1 bigint: run. The hunts it covers, with their queries, and their numbers in the ledger.
SELECT r.hunt_id, r.hunt_version, h.slug, h.name, h.tool, h.signal, v.query, h.number
FROM rmm.results r
JOIN rmm.hunts h ON h.id = r.hunt_id
JOIN rmm.hunt_versions v ON v.hunt_id = r.hunt_id AND v.version = r.hunt_version
WHERE r.run_id = $1::bigint
ORDER BY h.slug
