-- $1 integer: hunt, $2 text, $3 text: tool and signal that it had. Takes from their findings the events that it found and no
-- other of their hunts did, the hunt's hits, and how far the ledger had read for it; a finding of which nothing is left goes.
-- First, last and days are told anew where all events that are left are still stored. What was known of results alone goes
-- with the last hunt of the tool and signal. Into rmm.ledger_touched: findings that it had to do with.
WITH other AS MATERIALIZED (
    SELECT hunt FROM rmm.hunt_tools WHERE tool = $2::text AND signal = $3::text AND hunt <> $1::integer
), sole AS (
    SELECT NOT EXISTS (SELECT FROM other) AS sole
), gone AS (
    DELETE FROM rmm.hits WHERE hunt = $1::integer RETURNING device, event_table, ts, report_id, digest
), unread AS (
    DELETE FROM rmm.ledger_hunts WHERE hunt = $1::integer
), lost AS (
    SELECT g.device, count(*) FILTER (WHERE NOT EXISTS (
               SELECT FROM rmm.hits k JOIN other o ON o.hunt = k.hunt
               WHERE k.ts = g.ts AND k.device = g.device AND k.event_table = g.event_table AND k.digest = g.digest
                 AND k.report_id IS NOT DISTINCT FROM g.report_id)) AS count
    FROM gone g GROUP BY g.device
), rest AS (
    SELECT f.device, f.count - coalesce(l.count, 0) AS count, CASE WHEN s.sole THEN 0 ELSE f.by_result END AS by_result, e.*
    FROM rmm.findings f CROSS JOIN sole s LEFT JOIN lost l ON l.device = f.device
    CROSS JOIN LATERAL (
        SELECT count(*) AS stored, min(ts) AS first_seen, max(ts) AS last_seen,
               range_agg(int4range((ts / 864000000000)::integer, (ts / 864000000000)::integer + 1)) AS days
        FROM (SELECT DISTINCT k.event_table, k.ts, k.report_id, k.digest FROM rmm.hits k JOIN other o ON o.hunt = k.hunt
              WHERE k.device = f.device) d) e
    WHERE f.tool = $2::text AND f.signal = $3::text AND (s.sole OR l.device IS NOT NULL)
), kept AS (
    UPDATE rmm.findings f
    SET count = r.count, by_result = r.by_result,
        first_seen = CASE WHEN r.stored = r.count AND r.by_result = 0 THEN r.first_seen ELSE f.first_seen END,
        last_seen = CASE WHEN r.stored = r.count AND r.by_result = 0 THEN r.last_seen ELSE f.last_seen END,
        days = CASE WHEN r.stored = r.count AND r.by_result = 0 THEN r.days ELSE f.days END
    FROM rest r
    WHERE (f.device, f.tool, f.signal) = (r.device, $2::text, $3::text) AND (r.count > 0 OR r.by_result > 0)
), finding AS (
    DELETE FROM rmm.findings f USING rest r
    WHERE (f.device, f.tool, f.signal) = (r.device, $2::text, $3::text) AND r.count <= 0 AND r.by_result = 0
), runs AS (
    DELETE FROM rmm.finding_runs f USING rest r
    WHERE (f.device, f.tool, f.signal) = (r.device, $2::text, $3::text) AND r.count <= 0 AND r.by_result = 0
), fact AS (
    DELETE FROM rmm.facts f USING rest r
    WHERE (f.device, f.tool, f.signal) = (r.device, $2::text, $3::text) AND r.count <= 0 AND r.by_result = 0
)
INSERT INTO rmm.ledger_touched (device, tool, signal, known, late)
SELECT device, $2::text, $3::text, true, 0 FROM rest
