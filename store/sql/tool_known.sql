-- $1 text: a tool's name in any case, its id in the catalogue, or an alias. The name as it is written, where a hunt, the
-- catalogue or a finding has it; else NULL.
SELECT coalesce((SELECT tool FROM rmm.hunts WHERE lower(tool) = lower($1::text) AND tool <> '' LIMIT 1),
                (SELECT name FROM rmm.tools WHERE lower(name) = lower($1::text) LIMIT 1),
                (SELECT tool FROM rmm.device_tools WHERE lower(tool) = lower($1::text) LIMIT 1),
                (SELECT name FROM rmm.tools
                 WHERE id = $1::text OR EXISTS (SELECT FROM json_array_elements_text(facts -> 'aliases') a WHERE lower(a) = lower($1::text))
                 ORDER BY name LIMIT 1))
