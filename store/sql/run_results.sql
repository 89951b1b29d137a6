-- $1 bigint: run. Bodies of its finished hunts, or why they failed, by slug.
SELECT r.state, coalesce(r.body, json_build_object('run_id', r.run_id::text, 'state', r.state,
           'hunt', json_build_object('id', h.id, 'slug', h.slug, 'name', h.name, 'tool', h.tool, 'signal', h.signal,
                                     'version', r.hunt_version), 'error', r.error)::text), r.etag, h.slug
FROM rmm.results r JOIN rmm.hunts h ON h.id = r.hunt_id
WHERE r.run_id = $1::bigint ORDER BY h.slug
