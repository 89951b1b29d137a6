-- The new events into rmm.finding_days. Before ledger_findings, which tells streaks from it.
INSERT INTO rmm.finding_days AS d (device, tool, signal, day, first_seen, last_seen)
SELECT device, tool, signal, (ts / 864000000000)::integer AS day, min(ts), max(ts)
FROM rmm.ledger_new GROUP BY device, tool, signal, day ORDER BY device, tool, signal, day
ON CONFLICT (device, tool, signal, day) DO UPDATE
SET first_seen = least(d.first_seen, excluded.first_seen), last_seen = greatest(d.last_seen, excluded.last_seen)
WHERE d.first_seen > excluded.first_seen OR d.last_seen < excluded.last_seen
