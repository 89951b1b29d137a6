-- $1 bigint: run. Bodies of its hunts, by slug; of one that gave none, the same members without content, and
-- why; and the pulse.
SELECT r.state, coalesce(r.body, json_build_object('run_id', r.run_id::text, 'state', r.state, 'as_of', kql.ticks_text(u.as_of),
           'window', json_build_object('from', kql.ticks_text(u.window_from), 'to', kql.ticks_text(coalesce(u.window_to, u.as_of))),
           'hunt', json_build_object('id', h.id, 'slug', h.slug, 'name', h.name, 'tool', h.tool, 'signal', h.signal,
                                     'version', r.hunt_version),
           'devices', '[]'::json, 'columns', '[]'::json, 'rows', '[]'::json, 'freshness', '{}'::json, 'warnings', '[]'::json,
           'error', r.error)::text), r.etag, h.slug,
       (SELECT n FROM rmm.pulse)
FROM rmm.results r JOIN rmm.hunts h ON h.id = r.hunt_id JOIN rmm.runs u ON u.id = r.run_id
WHERE r.run_id = $1::bigint ORDER BY h.slug
