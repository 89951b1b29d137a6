-- $1 bigint: run. Its state as JSON, and the bare state. The window is what its hunts looked at; until they are
-- done, what was asked for.
SELECT json_build_object('run_id', r.id::text, 'state', r.state, 'selection', r.selection,
           'as_of', kql.ticks_text(r.as_of),
           'window', json_build_object('from', kql.ticks_text(coalesce(r.looked_from, r.window_from)),
                                       'to', kql.ticks_text(coalesce(r.looked_to, r.window_to, r.as_of))),
           'requested', json_build_object('from', kql.ticks_text(r.window_from), 'to', kql.ticks_text(r.window_to)),
           'created_at', kql.time_text(r.created_at), 'started_at', kql.time_text(r.started_at), 'finished_at', kql.time_text(r.finished_at),
           'attempts', r.attempt, 'schedule', o.schedule_id, 'hunts', json_build_object('total', r.hunts_total, 'done', r.hunts_done),
           'missing', to_json(coalesce(r.missing, '{}')),
           'failed', coalesce((SELECT json_agg(json_build_object('hunt', h.slug, 'error', e.error) ORDER BY h.slug)
                               FROM rmm.results e JOIN rmm.hunts h ON h.id = e.hunt_id
                               WHERE e.run_id = r.id AND e.state = 'failed'), '[]'::json),
           'error', r.error, 'results', '/v1/runs/' || r.id || '/results')::text, r.state
FROM rmm.runs r
LEFT JOIN rmm.slots o ON o.run_id = r.id
WHERE r.id = $1::bigint
