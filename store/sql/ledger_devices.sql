-- rmm.devices of what was touched, anew.
INSERT INTO rmm.devices AS d (device, device_id, device_name, machine_group, first_seen, last_seen, tools,
                             oldest_last_seen, newest_first_seen, back_since, search)
SELECT t.device, min(i.device_id), coalesce(min(n.value), ''), coalesce(min(g.value), ''), min(t.first_seen), max(t.last_seen),
       count(*) FILTER (WHERE t.tool IN (SELECT tool FROM rmm.tool_names)), min(t.last_seen), max(t.first_seen),
       max(t.streak_from) FILTER (WHERE t.streak_from > t.first_seen),
       lower(coalesce(min(n.names), '') || E'\n' || min(i.device_id))
FROM (SELECT DISTINCT device FROM rmm.ledger_touched) c
JOIN rmm.device_tools t ON t.device = c.device
JOIN dict.device i ON i.id = c.device
LEFT JOIN LATERAL (SELECT (array_agg(value ORDER BY seen DESC, value))[1] AS value,
                          string_agg(left(value, 1000), E'\n' ORDER BY seen DESC, value) AS names
                   FROM (SELECT value, max(last_seen) AS seen FROM rmm.facts f
                         WHERE f.device = c.device AND f.kind = 'device_name'
                         GROUP BY value ORDER BY seen DESC, value LIMIT 100) k) n ON true
LEFT JOIN LATERAL (SELECT value FROM rmm.facts f WHERE f.device = c.device AND f.kind = 'machine_group'
                   ORDER BY last_seen DESC, value LIMIT 1) g ON true
GROUP BY t.device ORDER BY t.device
ON CONFLICT (device) DO UPDATE
SET device_name = excluded.device_name, machine_group = excluded.machine_group, first_seen = excluded.first_seen,
    last_seen = excluded.last_seen, tools = excluded.tools, oldest_last_seen = excluded.oldest_last_seen,
    newest_first_seen = excluded.newest_first_seen, back_since = excluded.back_since, search = excluded.search
