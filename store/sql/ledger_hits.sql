-- $1 bigint: run. The found events that the ledger doesn't know yet, into it; how many, and how many found ones are left out,
-- as their device's id, which came before ids had a limit, is too long for its indexes. Late is what came since a
-- succeeded run had answered for its time with this version of the hunt; to changes, also what is older than any such time.
WITH found AS MATERIALIZED (
    SELECT f.*, octet_length(i.device_id) > 1024 AS too_long
    FROM (SELECT DISTINCT * FROM rmm.ledger_found) f JOIN dict.device i ON i.id = f.device
), hunt AS MATERIALIZED (
    SELECT h.number AS hunt, t.tool, t.signal, l.snapshot, a.times
    FROM rmm.results r
    JOIN rmm.hunts h ON h.id = r.hunt_id
    JOIN rmm.hunt_tools t ON t.hunt = h.number
    LEFT JOIN rmm.ledger_hunts l ON l.hunt = h.number AND l.version = r.hunt_version
    LEFT JOIN rmm.answered a ON a.hunt = h.number AND a.version = r.hunt_version
    WHERE r.run_id = $1::bigint
), fresh AS (
    INSERT INTO rmm.hits (device, hunt, ts, report_id, digest, arrived, run_id, event_table, counted, late)
    SELECT f.device, f.hunt, f.ts, f.report_id, f.digest, f.arrived, $1::bigint, f.event_table,
           row_number() OVER (PARTITION BY h.tool, h.signal, f.event_table, f.ts, f.device, f.report_id, f.digest ORDER BY f.hunt) = 1
               AND NOT EXISTS (SELECT FROM rmm.hits k JOIN rmm.hunt_tools kt ON kt.hunt = k.hunt
                               WHERE k.ts = f.ts AND k.device = f.device AND k.event_table = f.event_table
                                 AND k.digest = f.digest AND k.report_id IS NOT DISTINCT FROM f.report_id
                                 AND kt.tool = h.tool AND kt.signal = h.signal),
           coalesce(h.times @> f.ts AND NOT pg_visible_in_snapshot(b.xid, h.snapshot), false)
    FROM found f JOIN hunt h ON h.hunt = f.hunt
    LEFT JOIN rmm.batches b ON b.id = f.arrived >> 20
    WHERE NOT f.too_long
      AND NOT EXISTS (SELECT FROM rmm.hits k WHERE k.ts = f.ts AND k.device = f.device AND k.event_table = f.event_table
                        AND k.digest = f.digest AND k.report_id IS NOT DISTINCT FROM f.report_id AND k.hunt = f.hunt)
    ON CONFLICT DO NOTHING
    RETURNING *
), noted AS (
    INSERT INTO rmm.ledger_new (hunt, tool, signal, event_table, ts, device, report_id, digest, counted, late)
    SELECT f.hunt, h.tool, h.signal, f.event_table, f.ts, f.device, f.report_id, f.digest, f.counted,
           f.late OR coalesce(f.ts < lower(h.times) AND NOT pg_visible_in_snapshot(b.xid, h.snapshot), false)
    FROM fresh f JOIN hunt h ON h.hunt = f.hunt
    LEFT JOIN rmm.batches b ON b.id = f.arrived >> 20
    RETURNING 1
)
SELECT (SELECT count(*) FROM noted), (SELECT count(*) FROM found WHERE too_long)
