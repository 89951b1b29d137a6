-- $1 bigint: run. Tells of new tools, devices and signals, of those that grew or returned or were there earlier than known.
-- A hunt over "All Tools" is told where no hunt of a tool saw the device. What is no tool (rmm.tool_names) makes none new: on a
-- device that has another it is a new signal.
WITH fresh AS MATERIALIZED (
    SELECT t.tool FROM (SELECT DISTINCT tool FROM rmm.ledger_changed) t
    WHERE NOT EXISTS (SELECT FROM rmm.device_tools o
                      LEFT JOIN rmm.ledger_changed n ON n.device = o.device AND n.tool = o.tool
                      WHERE lower(o.tool) = lower(t.tool) AND o.tool = t.tool AND (n.device IS NULL OR n.old_first IS NOT NULL))
), told AS (
    SELECT c.*, jsonb_build_object('signals', d.signals, 'machine_group', v.machine_group) AS about, d.first_seen, d.last_seen, d.count, d.streak_from, d.told, v.device_id, v.device_name,
           (SELECT sum(t.late) FROM rmm.ledger_touched t WHERE t.device = c.device AND t.tool = c.tool) AS late,
           c.tool IN (SELECT tool FROM rmm.tool_names) AS named, c.tool IN (SELECT tool FROM fresh) AS first_in_estate
    FROM rmm.ledger_changed c
    JOIN rmm.device_tools d ON d.device = c.device AND d.tool = c.tool
    JOIN rmm.devices v ON v.device = c.device
    WHERE c.tool <> 'All Tools' OR NOT EXISTS (SELECT FROM rmm.ledger_touched t WHERE t.device = c.device AND t.tool <> c.tool)
), arrived AS ( -- of tools found on a device at once the one that was there first makes it new
    SELECT *, other_tools > 0 OR row_number() OVER (PARTITION BY device ORDER BY named DESC, first_seen, tool) > 1 AS has_other
    FROM told WHERE old_first IS NULL
), change AS (
    SELECT 1 AS rank, 'new_tool' AS type, NULL AS device_id, NULL AS device_name, tool,
           jsonb_build_object('devices', count(*), 'first_seen', kql.ticks_text(min(first_seen))) AS detail
    FROM told WHERE first_in_estate AND named GROUP BY tool
    UNION ALL
    SELECT CASE WHEN has_other THEN 3 ELSE 2 END, CASE WHEN has_other THEN 'new_tool_on_device' ELSE 'new_device' END,
           device_id, device_name, tool,
           jsonb_build_object('first_seen', kql.ticks_text(first_seen), 'last_seen', kql.ticks_text(last_seen),
                              'count', count, 'late', late) || about
    FROM arrived WHERE named OR NOT has_other
    UNION ALL
    SELECT 4, 'new_signal', c.device_id, c.device_name, c.tool,
           jsonb_build_object('signal', t.signal, 'late', t.late) || c.about
    FROM told c JOIN rmm.ledger_touched t ON t.device = c.device AND t.tool = c.tool AND NOT t.known
    WHERE c.old_first IS NOT NULL OR (c.device, c.tool) IN (SELECT device, tool FROM arrived WHERE has_other AND NOT named)
    UNION ALL
    SELECT 5, 'returned', device_id, device_name, tool,
           jsonb_build_object('since', kql.ticks_text(streak_from), 'last_seen', kql.ticks_text(last_seen), 'late', late) || about
    FROM told WHERE old_streak < streak_from
    UNION ALL
    SELECT 6, 'first_moved', device_id, device_name, tool,
           jsonb_build_object('first_seen', kql.ticks_text(first_seen), 'was', kql.ticks_text(old_first), 'late', late) || about
    FROM told WHERE old_first > first_seen
    UNION ALL
    SELECT 7, 'grew', device_id, device_name, tool, jsonb_build_object('count', count, 'was', told, 'late', late) || about
    FROM told WHERE old_first IS NOT NULL AND count >= 2 * told
)
INSERT INTO rmm.changes (type, device_id, device_name, tool, run_id, detail)
SELECT type, device_id, device_name, tool, $1::bigint, detail FROM change ORDER BY rank, tool, device_id, detail::text
