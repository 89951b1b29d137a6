-- $1 text: what somebody took for a tool's name. Names and aliases of tools, the tool, whether what was given is a part of it.
SELECT called, tool, length($1::text) > 2 AND strpos(lower(called), lower($1::text)) > 0
FROM (SELECT tool AS called, tool FROM rmm.hunts WHERE retired_at IS NULL AND tool <> ''
      UNION SELECT name, name FROM rmm.tools
      UNION SELECT alias, name FROM rmm.tools, json_array_elements_text(facts -> 'aliases') AS alias) n
ORDER BY called, tool
