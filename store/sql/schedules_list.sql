-- $1 text: only this one, or NULL, $2 text: behind this id, or NULL, $3 integer: limit. Schedules by id, each as JSON.
SELECT s.id, json_build_object('id', s.id, 'name', s.name,
           'when', coalesce('every ' || s.every, s.cron || ' ' || s.time_zone), 'cron', s.cron, 'time_zone', s.time_zone,
           'every', s.every, 'window', s.look_back, 'hunts', s.selection -> 'hunts', 'tool', s.selection -> 'tool',
           'all', s.selection -> 'all', 'enabled', s.enabled, 'catch_up', s.catch_up,
           'catch_up_limit', s.catch_up_limit, 'next_slot', CASE WHEN s.enabled THEN kql.ticks_text(s.next_slot) END,
           'last_slot', kql.ticks_text(l.slot), 'last_state', l.state, 'last_run_id', l.run_id::text,
           'created_at', kql.time_text(s.created_at), 'updated_at', kql.time_text(s.updated_at),
           'slots', '/v1/schedules/' || s.id || '/slots')::text
FROM rmm.schedules s
LEFT JOIN LATERAL (
    SELECT o.slot, CASE WHEN o.finished_at IS NULL THEN coalesce(r.state, o.state) ELSE o.state END AS state, o.run_id
    FROM rmm.slots o LEFT JOIN rmm.runs r ON r.id = o.run_id
    WHERE o.schedule_id = s.id ORDER BY o.slot DESC LIMIT 1) l ON true
WHERE ($1::text IS NULL OR s.id = $1::text) AND s.id > coalesce($2::text, '')
ORDER BY s.id LIMIT $3::integer
