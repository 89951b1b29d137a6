-- rmm.devices.flags of what was touched: several tools; a file signed as one tool and named as another; a tool's domain
-- reached by a program that isn't the tool's.
WITH touched AS (
    SELECT DISTINCT device FROM rmm.ledger_touched
), file AS (
    SELECT f.device, f.value AS sha1, array_agg(DISTINCT f.tool) FILTER (WHERE f.signal = 'signature') AS signed,
           array_agg(DISTINCT f.tool) FILTER (WHERE f.signal = 'process') AS named,
           array_agg(DISTINCT f.tool) FILTER (WHERE f.signal = 'network') AS reached,
           array_agg(DISTINCT f.tool) FILTER (WHERE f.signal <> 'network') AS known
    FROM rmm.facts f JOIN touched t USING (device) WHERE f.kind = 'sha1' AND f.tool <> 'All Tools'
    GROUP BY f.device, f.value
), flag AS (
    SELECT d.device, 1 AS rank, '' AS first, jsonb_build_object('flag', 'several_tools', 'tools', jsonb_agg(d.tool ORDER BY d.tool)) AS value
    FROM rmm.device_tools d JOIN touched t USING (device) WHERE d.tool <> 'All Tools' GROUP BY d.device HAVING count(*) > 1
    UNION ALL
    SELECT f.device, 2, f.sha1 || s.tool || p.tool,
           jsonb_build_object('flag', 'signed_as_other', 'sha1', f.sha1, 'signed_as', s.tool, 'named_as', p.tool)
    FROM file f, unnest(f.signed) s (tool), unnest(f.named) p (tool)
    WHERE s.tool <> ALL (f.named)
    UNION ALL
    SELECT DISTINCT f.device, 3, f.sha1 || n.tool || name.value,
           jsonb_build_object('flag', 'domain_by_other_program', 'tool', n.tool, 'file_name', name.value, 'sha1', f.sha1)
    FROM file f, unnest(f.reached) n (tool)
    JOIN LATERAL (SELECT x.value FROM rmm.facts x WHERE x.device = f.device AND x.tool = n.tool AND x.signal = 'network'
                    AND x.kind = 'file_name' AND x.of = f.sha1) name ON true
    WHERE (f.known IS NULL OR n.tool <> ALL (f.known))
      AND EXISTS (SELECT FROM rmm.tool_processes p WHERE p.tool = n.tool)
      AND NOT EXISTS (SELECT FROM rmm.tool_processes p WHERE p.tool = n.tool AND p.name = regexp_replace(lower(name.value), '\.exe$', ''))
)
UPDATE rmm.devices d SET flags = coalesce(f.flags, '[]')
FROM touched t
LEFT JOIN (SELECT device, jsonb_agg(value ORDER BY rank, first) AS flags FROM flag GROUP BY device) f ON f.device = t.device
WHERE t.device = d.device
