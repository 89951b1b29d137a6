-- $1 text[]: ids or slugs, $2 text: tool, $3 boolean: all. Ids and slugs of the hunts that a selection means now.
SELECT id, slug FROM rmm.hunts
WHERE retired_at IS NULL AND state <> 'disabled'
  AND (id = ANY($1::text[]) OR slug = ANY($1::text[]) OR lower(tool) = lower($2::text) OR $3::boolean)
