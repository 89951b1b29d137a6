-- $1 text[]: ids or slugs, in any case, $2 text: tool, $3 boolean: all. Ids and slugs of the hunts that a selection means now.
SELECT id, slug FROM rmm.hunts, (SELECT lower($1::text)::text[] AS names OFFSET 0) wanted -- read once, not a row
WHERE retired_at IS NULL AND state <> 'disabled'
  AND (id = ANY(wanted.names) OR slug = ANY(wanted.names) OR lower(tool) = lower($2::text) OR $3::boolean)
