-- rmm.devices.flags of what was touched: several tools; a file signed as one tool and named as another; a tool's domain
-- reached by a program that isn't the tool's.
WITH touched AS (
    SELECT DISTINCT device FROM rmm.ledger_touched
), sha1 AS (
    SELECT f.device, f.tool, f.signal, f.value FROM rmm.facts f JOIN touched t USING (device) WHERE f.kind = 'sha1' AND f.tool <> 'All Tools'
), flag AS (
    SELECT d.device, 1 AS rank, '' AS first, jsonb_build_object('flag', 'several_tools', 'tools', jsonb_agg(d.tool ORDER BY d.tool)) AS value
    FROM rmm.device_tools d JOIN touched t USING (device) WHERE d.tool <> 'All Tools' GROUP BY d.device HAVING count(*) > 1
    UNION ALL
    SELECT s.device, 2, s.value || s.tool || p.tool,
           jsonb_build_object('flag', 'signed_as_other', 'sha1', s.value, 'signed_as', s.tool, 'named_as', p.tool)
    FROM sha1 s JOIN sha1 p ON p.device = s.device AND p.value = s.value AND p.signal = 'process' AND p.tool <> s.tool
    WHERE s.signal = 'signature'
      AND NOT EXISTS (SELECT FROM sha1 o WHERE o.device = s.device AND o.value = s.value AND o.signal = 'process' AND o.tool = s.tool)
    UNION ALL
    SELECT DISTINCT n.device, 3, n.value || n.tool || f.value,
           jsonb_build_object('flag', 'domain_by_other_program', 'tool', n.tool, 'file_name', f.value, 'sha1', n.value)
    FROM sha1 n JOIN rmm.facts f ON f.device = n.device AND f.tool = n.tool AND f.signal = 'network'
                                AND f.kind = 'file_name' AND f.of = n.value
    WHERE n.signal = 'network'
      AND NOT EXISTS (SELECT FROM sha1 o WHERE o.device = n.device AND o.value = n.value AND o.signal <> 'network' AND o.tool = n.tool)
      AND EXISTS (SELECT FROM rmm.tool_processes p WHERE p.tool = n.tool)
      AND NOT EXISTS (SELECT FROM rmm.tool_processes p WHERE p.tool = n.tool AND p.name = regexp_replace(lower(f.value), '\.exe$', ''))
)
UPDATE rmm.devices d SET flags = coalesce(f.flags, '[]')
FROM touched t
LEFT JOIN (SELECT device, jsonb_agg(value ORDER BY rank, first) AS flags FROM flag GROUP BY device) f ON f.device = t.device
WHERE t.device = d.device
