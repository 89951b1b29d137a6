-- $1 bigint: run, $2 text[]: ids or slugs, in any case, $3 text: tool, $4 boolean: all. The hunts that the run covers; names
-- that are none stay with the run.
WITH added AS (
    INSERT INTO rmm.results (run_id, hunt_id, hunt_version, state)
    SELECT $1::bigint, id, current_version, 'queued' FROM rmm.hunts, (SELECT lower($2::text)::text[] AS names OFFSET 0) wanted
    WHERE retired_at IS NULL AND state <> 'disabled'
      AND (id = ANY(wanted.names) OR slug = ANY(wanted.names) OR lower(tool) = lower($3::text) OR $4::boolean)
    RETURNING hunt_id
), missing AS (
    SELECT array_agg(name) AS names FROM unnest(lower($2::text)::text[]) AS name
    WHERE name NOT IN (SELECT unnest(ARRAY[h.id, h.slug]) FROM added JOIN rmm.hunts h ON h.id = added.hunt_id)
), total AS (
    UPDATE rmm.runs SET hunts_total = (SELECT count(*) FROM added), missing = (SELECT names FROM missing)
    WHERE id = $1::bigint RETURNING hunts_total
)
SELECT h.id, h.slug FROM added JOIN rmm.hunts h ON h.id = added.hunt_id, total ORDER BY h.slug
