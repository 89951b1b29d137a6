-- The new events into rmm.findings; which findings that touched.
WITH more AS (
    SELECT device, tool, signal, min(ts) AS first_seen, max(ts) AS last_seen, count(*) FILTER (WHERE counted) AS count,
           count(*) FILTER (WHERE counted AND late) AS late,
           range_agg(DISTINCT int4range((ts / 864000000000)::integer, (ts / 864000000000)::integer + 1)) AS days
    FROM rmm.ledger_new GROUP BY device, tool, signal
), saved AS (
    INSERT INTO rmm.findings AS f (device, tool, signal, first_seen, last_seen, count, days)
    SELECT device, tool, signal, first_seen, last_seen, count, days FROM more ORDER BY device, tool, signal
    ON CONFLICT (device, tool, signal) DO UPDATE
    SET first_seen = least(f.first_seen, excluded.first_seen), last_seen = greatest(f.last_seen, excluded.last_seen),
        count = f.count + excluded.count, days = f.days + excluded.days
)
INSERT INTO rmm.ledger_touched (device, tool, signal, known, late)
SELECT m.device, m.tool, m.signal, k.device IS NOT NULL, m.late
FROM more m LEFT JOIN rmm.findings k ON (k.device, k.tool, k.signal) = (m.device, m.tool, m.signal)
