-- Slug and query of every hunt in use, and whether it can run.
SELECT h.slug, v.query, (h.state = 'ready')::integer
FROM rmm.hunts h JOIN rmm.hunt_versions v ON v.hunt_id = h.id AND v.version = h.current_version
WHERE h.retired_at IS NULL ORDER BY h.slug
