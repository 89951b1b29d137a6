-- $1 bigint: run, $2 integer[]: hunts' numbers, and beside each, $3 bigint[], $4 bigint[]: its window in ticks. Events that
-- they found there, that came after an earlier run had answered for their time, and that no run of the same schedule (or by
-- hand) has listed; of a schedule, not what was late before its first run: hunt's id, device's id and name, how many, first and
-- last in ticks, their reports as a JSON list of strings; hunt's number, and for late_told, side by side, their times and arrival
-- numbers. By hunt's id, bytewise. Each hunt's are looked up by themselves: there may be many hunts, and many late events.
SELECT h.id, i.device_id, coalesce(d.device_name, ''), count(*), min(k.ts), max(k.ts),
       (SELECT coalesce(json_agg(r::text ORDER BY r), '[]') FROM unnest(array_agg(DISTINCT k.report_id)) r WHERE r IS NOT NULL)::text,
       k.hunt, array_agg(k.ts ORDER BY k.ts, k.arrived)::text, array_agg(k.arrived ORDER BY k.ts, k.arrived)::text
FROM unnest($2::integer[], $3::bigint[], $4::bigint[]) w (hunt, from_ts, to_ts)
CROSS JOIN LATERAL (SELECT * FROM rmm.hits f WHERE f.hunt = w.hunt AND f.late AND f.ts BETWEEN w.from_ts AND w.to_ts OFFSET 0) k
JOIN rmm.hunts h ON h.number = k.hunt
JOIN dict.device i ON i.id = k.device
LEFT JOIN rmm.devices d ON d.device = k.device
WHERE NOT coalesce(coalesce((SELECT schedule_id FROM rmm.slots WHERE run_id = $1::bigint), '') = ANY (k.told), false)
  AND k.run_id >= coalesce((SELECT f.run_id FROM rmm.slots o JOIN rmm.slots f USING (schedule_id)
                            WHERE o.run_id = $1::bigint AND f.run_id IS NOT NULL ORDER BY f.slot LIMIT 1), 0)
GROUP BY h.id, k.hunt, i.device_id, d.device_name
ORDER BY h.id COLLATE "C", i.device_id
