-- $1 text: schedule, $2 bigint: before this slot, $3 integer: limit. Its slots, the newest first, each as JSON.
SELECT o.slot, json_build_object('slot', kql.ticks_text(o.slot),
           'state', CASE WHEN o.finished_at IS NULL THEN coalesce(r.state, o.state) ELSE o.state END,
           'run_id', o.run_id::text, 'attempts', r.attempt,
           'start_lag_ms', (rmm.ticks(r.started_at) - o.slot) / 10000,
           'run_ms', (extract(epoch FROM r.finished_at - r.started_at) * 1000)::bigint,
           'by_hand', o.by_hand, 'finished_at', kql.time_text(o.finished_at), 'error', coalesce(o.error, r.error),
           'missing', to_json(coalesce(r.missing, '{}')),
           'results', CASE WHEN o.run_id IS NOT NULL THEN '/v1/runs/' || o.run_id || '/results' END)::text
FROM rmm.slots o LEFT JOIN rmm.runs r ON r.id = o.run_id
WHERE o.schedule_id = $1::text AND o.slot < $2::bigint
ORDER BY o.slot DESC LIMIT $3::integer
