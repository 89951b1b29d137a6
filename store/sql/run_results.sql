-- $1 bigint: run, which is over. Bodies of its hunts, by slug; of one that gave none, the same members without content, and
-- why: its own error, or that of the run, which ended before the hunt's result was stored; and the pulse.
SELECT t.state, coalesce(r.body, json_build_object('run_id', r.run_id::text, 'state', t.state, 'as_of', kql.ticks_text(u.as_of),
           'window', json_build_object('from', kql.ticks_text(u.window_from), 'to', kql.ticks_text(coalesce(u.window_to, u.as_of))),
           'hunt', json_build_object('id', h.id, 'slug', h.slug, 'name', h.name, 'tool', h.tool, 'signal', h.signal,
                                     'version', r.hunt_version),
           'devices', '[]'::json, 'columns', '[]'::json, 'rows', '[]'::json, 'freshness', '{}'::json, 'warnings', '[]'::json,
           'error', coalesce(r.error, CASE WHEN t.state = 'cancelled' THEN jsonb_build_object('code', 'cancelled', 'message',
                                 'the run was cancelled before the results of this hunt were stored: they say nothing; run it again')
                             ELSE u.error END))::text), r.etag, h.slug,
       (SELECT n FROM rmm.pulse)
FROM rmm.results r JOIN rmm.hunts h ON h.id = r.hunt_id JOIN rmm.runs u ON u.id = r.run_id
CROSS JOIN LATERAL (SELECT CASE WHEN r.state = 'queued' THEN u.state ELSE r.state END AS state) t
WHERE r.run_id = $1::bigint ORDER BY h.slug
