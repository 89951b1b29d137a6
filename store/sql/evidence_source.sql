-- $1 bigint: run, $2 text: hunt's id or slug, NULL: the run's only hunt. as_of, from, to and the query as it was run.
SELECT r.as_of, coalesce(r.window_from, -1), coalesce(r.window_to, -1), v.query, h.slug
FROM rmm.runs r
JOIN rmm.results e ON e.run_id = r.id
JOIN rmm.hunts h ON h.id = e.hunt_id
JOIN rmm.hunt_versions v ON v.hunt_id = e.hunt_id AND v.version = e.hunt_version
WHERE r.id = $1::bigint AND ($2::text IS NULL OR h.id = $2::text OR h.slug = $2::text)
ORDER BY h.slug LIMIT 2
