-- $1 bigint: below this id, $2 integer: limit. Runs, the newest first, each as JSON.
SELECT r.id, json_build_object('run_id', r.id::text, 'state', r.state, 'selection', r.selection,
           'as_of', kql.ticks_text(r.as_of), 'created_at', kql.time_text(r.created_at), 'finished_at', kql.time_text(r.finished_at),
           'hunts', json_build_object('total', r.hunts_total, 'done', r.hunts_done))::text
FROM rmm.runs r WHERE r.id < $1::bigint ORDER BY r.id DESC LIMIT $2::integer
