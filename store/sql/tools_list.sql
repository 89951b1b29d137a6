-- $1 text: part of the name or of an alias, or NULL, $2 text: behind this tool, $3 integer: limit. Tools with their hunts and facts.
SELECT tool, card FROM rmm.tool_cards
WHERE tool > coalesce($2::text, '')
  AND ($1::text IS NULL OR strpos(lower(tool || ' ' || coalesce(facts ->> 'aliases', '')), lower($1::text)) > 0)
ORDER BY tool LIMIT $3::integer
