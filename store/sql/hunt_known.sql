-- $1 text: hunt, $2 text: slug, $3 bytea: file. A row when the hunt is there and in use: whether it came from this very file.
SELECT h.origin = 'user' AND h.slug = $2::text AND v.original = $3::bytea
FROM rmm.hunts h JOIN rmm.hunt_versions v ON v.hunt_id = h.id AND v.version = h.current_version
WHERE h.id = $1::text AND h.retired_at IS NULL
