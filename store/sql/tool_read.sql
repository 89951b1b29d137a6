-- $1 text: a tool's name, in any case, its id in the catalogue, or an alias. The tool; the name wins over an alias.
SELECT card FROM rmm.tool_cards
WHERE lower(tool) = lower($1::text) OR id = $1::text
   OR EXISTS (SELECT FROM json_array_elements_text(facts -> 'aliases') a WHERE lower(a) = lower($1::text))
ORDER BY lower(tool) <> lower($1::text), tool LIMIT 1
