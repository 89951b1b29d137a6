-- $1 to $6 as coverage.sql has them, $7 text: behind this DeviceId, $8 integer: limit, $9 text[]: names of the tables.
-- Devices that sent nothing (to no table, or to the one given) since they went silent, each as JSON.
WITH reporters AS MATERIALIZED (
    SELECT r.event_table, r.device, r.host, r.last_day, r.last_day > $4::integer OR e.device IS NOT NULL AS reporting
    FROM rmm.last_days r
    LEFT JOIN unnest($5::smallint[], $6::integer[]) AS e (event_table, device)
           ON e.event_table = r.event_table AND e.device = r.device
    WHERE r.last_day >= $3::integer AND ($1::smallint IS NULL OR r.event_table = $1::smallint)
), silent AS (
    SELECT device, (max(last_day::bigint << 32 | host) & 2147483647)::integer AS host, max(last_day) AS last_day,
           array_agg(event_table ORDER BY event_table) AS tables
    FROM reporters GROUP BY device HAVING NOT bool_or(reporting)
)
SELECT d.device_id, json_build_object('device_id', d.device_id, 'device_name', coalesce(h.device_name, ''),
           'machine_group', coalesce(h.machine_group, ''), 'last_day', (date '0001-01-01' + s.last_day)::text,
           'tables', (SELECT json_agg(($9::text[])[t + 1] ORDER BY t) FROM unnest(s.tables) AS t))::text
FROM silent s JOIN dict.device d ON d.id = s.device LEFT JOIN dict.host h ON h.id = s.host
WHERE d.device_id > coalesce($7::text, '') AND ($2::text IS NULL OR coalesce(h.machine_group, '') = $2::text)
ORDER BY d.device_id LIMIT $8::integer
