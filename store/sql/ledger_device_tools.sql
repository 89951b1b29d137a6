-- rmm.device_tools of what was touched, anew from rmm.findings; how it was before.
WITH touched AS (
    SELECT DISTINCT device, tool FROM rmm.ledger_touched
), saved AS (
    INSERT INTO rmm.device_tools AS d (device, tool, first_seen, last_seen, count, signals, streak_from, told)
    SELECT f.device, f.tool, min(f.first_seen), max(f.last_seen), sum(greatest(f.count, f.by_result)),
           array_agg(f.signal ORDER BY array_position('{signature,process,network}', f.signal), f.signal),
           rmm.streak_start(f.device, f.tool, NULL, range_agg(f.days), min(f.first_seen), (SELECT quiet_days FROM rmm.ledger)), sum(greatest(f.count, f.by_result))
    FROM rmm.findings f JOIN touched t ON t.device = f.device AND t.tool = f.tool
    GROUP BY f.device, f.tool ORDER BY f.device, f.tool
    ON CONFLICT (device, tool) DO UPDATE
    SET first_seen = excluded.first_seen, last_seen = excluded.last_seen, count = excluded.count,
        signals = excluded.signals, streak_from = excluded.streak_from
)
INSERT INTO rmm.ledger_changed (device, tool, old_first, old_streak, old_count, other_tools)
SELECT t.device, t.tool, d.first_seen, d.streak_from, d.count,
       (SELECT count(*) FROM rmm.device_tools o WHERE o.device = t.device AND o.tool <> t.tool AND o.tool IN (SELECT tool FROM rmm.tool_names))
FROM touched t LEFT JOIN rmm.device_tools d ON d.device = t.device AND d.tool = t.tool
