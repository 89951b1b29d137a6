-- What hangs on quiet_days in rmm.device_tools, rmm.findings and rmm.devices anew, for another one.
WITH tool AS MATERIALIZED (
    SELECT device, tool, min(first_seen) AS first_seen,
           rmm.streak_start(device, tool, NULL, range_agg(days), min(first_seen), (SELECT quiet_days FROM rmm.ledger)) AS streak_from
    FROM rmm.findings GROUP BY device, tool
), tools AS (
    UPDATE rmm.device_tools d SET streak_from = t.streak_from
    FROM tool t WHERE t.device = d.device AND t.tool = d.tool AND t.streak_from <> d.streak_from
), signals AS (
    UPDATE rmm.findings f SET streak_from = s.streak_from
    FROM (SELECT device, tool, signal, rmm.streak_start(device, tool, signal, days, first_seen, (SELECT quiet_days FROM rmm.ledger)) AS streak_from
          FROM rmm.findings) s
    WHERE s.device = f.device AND s.tool = f.tool AND s.signal = f.signal AND s.streak_from <> f.streak_from
)
UPDATE rmm.devices d SET back_since = b.back_since
FROM (SELECT device, max(streak_from) FILTER (WHERE streak_from > first_seen) AS back_since
      FROM tool GROUP BY device) b
WHERE b.device = d.device AND b.back_since IS DISTINCT FROM d.back_since
