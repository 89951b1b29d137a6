-- rmm.devices.flags of what was touched: several tools; a file signed as one tool and named as another, by what a hunt found
-- or by a name that the catalogue has of the other alone; a tool's domain reached by a program that isn't the tool's. Whose domain it is a hunt
-- that names no tool (rmm.tool_names) doesn't say: the catalogue does.
WITH touched AS (
    SELECT DISTINCT device FROM rmm.ledger_touched
), file AS (
    SELECT f.device, f.value AS sha1, array_agg(DISTINCT f.tool) FILTER (WHERE f.signal = 'signature') AS signed,
           array_agg(DISTINCT f.tool) FILTER (WHERE f.signal = 'process') AS named
    FROM rmm.facts f JOIN touched t USING (device) WHERE f.kind = 'sha1' AND f.tool IN (SELECT tool FROM rmm.tool_names)
    GROUP BY f.device, f.value
), ran AS (
    SELECT DISTINCT f.device, f.of AS sha1, regexp_replace(lower(f.value), '\.exe$', '') AS name
    FROM rmm.facts f JOIN touched t USING (device) WHERE f.kind = 'file_name' AND f.signal = 'signature'
), domain AS MATERIALIZED (
    SELECT t.name AS tool, lower(d) AS domain FROM rmm.tools t, jsonb_array_elements_text(t.facts::jsonb -> 'domains') d
), program AS MATERIALIZED (
    SELECT DISTINCT f.device, f.tool, f.tool IN (SELECT tool FROM rmm.tool_names) AS named, f.value AS name, split_part(f.of, E'\n', 1) AS host, split_part(f.of, E'\n', 2) AS sha1
    FROM rmm.facts f JOIN touched t USING (device) WHERE f.kind = 'program' AND f.signal = 'network'
), flag AS (
    SELECT d.device, 1 AS rank, '' AS first, jsonb_build_object('flag', 'several_tools', 'tools', jsonb_agg(d.tool ORDER BY d.tool)) AS value
    FROM rmm.device_tools d JOIN touched t USING (device) WHERE d.tool IN (SELECT tool FROM rmm.tool_names) GROUP BY d.device HAVING count(*) > 1
    UNION ALL
    SELECT device, 2, sha1 || signed_as || named_as,
           jsonb_build_object('flag', 'signed_as_other', 'sha1', sha1, 'signed_as', signed_as, 'named_as', named_as)
    FROM (SELECT f.device, f.sha1, s.tool AS signed_as, p.tool AS named_as
          FROM file f, unnest(f.signed) s (tool), unnest(f.named) p (tool)
          WHERE s.tool <> ALL (f.named)
          UNION
          SELECT f.device, f.sha1, s.tool, p.tool
          FROM file f JOIN ran r USING (device, sha1) JOIN rmm.tool_processes p ON p.name = r.name
          CROSS JOIN unnest(f.signed) s (tool)
          WHERE NOT EXISTS (SELECT FROM rmm.tool_processes o WHERE o.name = r.name AND o.tool = ANY (f.signed))) other
    UNION ALL
    SELECT DISTINCT f.device, 3, f.sha1 || n.tool || f.name,
           jsonb_build_object('flag', 'domain_by_other_program', 'tool', n.tool, 'file_name', f.name, 'sha1', f.sha1)
    FROM program f
    JOIN LATERAL (SELECT f.tool WHERE f.named
                  UNION SELECT d.tool FROM domain d WHERE NOT f.named AND (f.host = d.domain OR f.host LIKE '%.' || d.domain)) n ON true
    WHERE EXISTS (SELECT FROM rmm.tool_processes p WHERE p.tool = n.tool)
      AND NOT EXISTS (SELECT FROM rmm.tool_processes p WHERE p.tool = n.tool AND p.name = regexp_replace(lower(f.name), '\.exe$', ''))
      AND NOT EXISTS (SELECT FROM rmm.facts k WHERE k.device = f.device AND k.tool = n.tool AND k.signal <> 'network'
                        AND k.kind = 'sha1' AND k.value = f.sha1)
)
UPDATE rmm.devices d SET flags = coalesce(f.flags, '[]')
FROM touched t
LEFT JOIN (SELECT device, jsonb_agg(value ORDER BY rank, first) AS flags FROM flag GROUP BY device) f ON f.device = t.device
WHERE t.device = d.device AND d.flags <> coalesce(f.flags, '[]')
