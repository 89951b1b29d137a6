-- A hunt that names no tool has findings under its own name, which is none of a tool.
CREATE VIEW rmm.tool_names AS
SELECT tool FROM (SELECT tool FROM rmm.hunts UNION SELECT name FROM rmm.tools) t WHERE tool NOT IN ('', 'All Tools');
COMMENT ON VIEW rmm.tool_names IS 'what counts as a tool in the ledger: what a hunt or the catalogue calls one, but "All Tools"';
COMMENT ON VIEW rmm.hunt_tools IS 'what a hunt''s hits are sightings of: a tool (rmm.tool_names), else the hunt itself';
COMMENT ON COLUMN rmm.devices.tools IS 'how many of rmm.tool_names';

-- What they counted as so far.
UPDATE rmm.devices d
SET tools = n.tools,
    flags = coalesce((SELECT jsonb_agg(value ORDER BY place)
                      FROM (SELECT CASE f ->> 'flag' WHEN 'several_tools' THEN jsonb_set(f, '{tools}', n.named) ELSE f END AS value, place
                            FROM jsonb_array_elements(d.flags) WITH ORDINALITY e (f, place)
                            WHERE CASE f ->> 'flag'
                                  WHEN 'several_tools' THEN n.tools > 1
                                  WHEN 'signed_as_other' THEN f ->> 'signed_as' IN (SELECT tool FROM rmm.tool_names)
                                                          AND f ->> 'named_as' IN (SELECT tool FROM rmm.tool_names)
                                  ELSE true END) k), '[]')
FROM (SELECT device, count(*) AS tools, jsonb_agg(tool ORDER BY tool) AS named
      FROM rmm.device_tools WHERE tool IN (SELECT tool FROM rmm.tool_names) GROUP BY device
      UNION ALL
      SELECT device, 0, '[]' FROM rmm.device_tools GROUP BY device
      HAVING bool_and(tool NOT IN (SELECT tool FROM rmm.tool_names))) n
WHERE n.device = d.device AND d.tools <> n.tools;
