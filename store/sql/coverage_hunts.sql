-- Slug and query of every hunt that can run.
SELECT h.slug, v.query
FROM rmm.hunts h JOIN rmm.hunt_versions v ON v.hunt_id = h.id AND v.version = h.current_version
WHERE h.retired_at IS NULL AND h.state = 'ready' ORDER BY h.slug
