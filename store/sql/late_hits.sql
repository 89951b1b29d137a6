-- $1 bigint: run. Events that its hunts found and that came after an earlier run had answered for their time: hunt's id,
-- device's id and name, how many, first and last in ticks, their reports as a JSON list of strings.
SELECT h.id, i.device_id, coalesce(d.device_name, ''), count(*), min(k.ts), max(k.ts),
       (SELECT coalesce(json_agg(r::text ORDER BY r), '[]') FROM unnest(array_agg(DISTINCT k.report_id)) r WHERE r IS NOT NULL)::text
FROM rmm.hits k
JOIN rmm.hunts h ON h.number = k.hunt
JOIN dict.device i ON i.id = k.device
LEFT JOIN rmm.devices d ON d.device = k.device
WHERE k.run_id = $1::bigint AND k.late
GROUP BY h.id, i.device_id, d.device_name
ORDER BY h.id, i.device_id
