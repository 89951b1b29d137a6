-- $1 text[]: ids or slugs, in any case, $2 text: tool, $3 boolean: all. Ids and slugs of the hunts that a selection means now.
SELECT id, slug FROM rmm.hunts
WHERE retired_at IS NULL AND state <> 'disabled'
  AND (id = ANY(lower($1::text)::text[]) OR slug = ANY(lower($1::text)::text[]) OR lower(tool) = lower($2::text) OR $3::boolean)
