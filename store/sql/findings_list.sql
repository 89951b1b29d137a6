-- $1 bigint: now in ticks, $2 text: tool, $3 signal, $4 state, $5 device's id, $6 machine group (each NULL: any), $7 json:
-- behind this cursor, $8 integer: limit. Findings by device, tool and signal, each as JSON.
SELECT json_build_array(d.device_id, f.tool, f.signal)::text, json_build_object('device_id', d.device_id, 'device_name', d.device_name,
           'machine_group', d.machine_group, 'tool', f.tool, 'signal', f.signal,
           'first_seen', kql.ticks_text(f.first_seen), 'last_seen', kql.ticks_text(f.last_seen), 'count', greatest(f.count, f.by_result),
               'exact', f.by_result = 0, 'runs', coalesce(seen.runs, 0),
           'days', (SELECT sum(upper(r) - lower(r)) FROM unnest(f.days) r), 'state', s.state)::text
FROM rmm.findings f
JOIN rmm.devices d ON d.device = f.device
LEFT JOIN rmm.finding_runs seen ON (seen.device, seen.tool, seen.signal) = (f.device, f.tool, f.signal)
CROSS JOIN rmm.ledger l
CROSS JOIN LATERAL (SELECT rmm.finding_state(f.first_seen, f.last_seen, rmm.streak_from(f.days, l.quiet_days), $1::bigint,
                                             l.new_days, l.quiet_days) AS state) s
WHERE ($2::text IS NULL OR lower(f.tool) = lower($2::text)) AND ($3::text IS NULL OR f.signal = $3::text)
  AND ($4::text IS NULL OR s.state = $4::text) AND ($5::text IS NULL OR d.device_id = $5::text)
  AND ($6::text IS NULL OR d.machine_group = $6::text)
  AND ($7::json IS NULL OR (d.device_id, f.tool, f.signal) >
       ($7::json ->> 0, $7::json ->> 1, $7::json ->> 2))
ORDER BY d.device_id, f.tool, f.signal LIMIT $8::integer
