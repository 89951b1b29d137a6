-- Slots that came due and their runs, at most one a schedule. $1 text[]: schedules, whose rows are locked, $2 bigint[]: slots,
-- $3 bigint[]: from where their runs look, -1: the hunts' own window. Those that were made: schedule, run, and hunts that are gone. Left out are
-- those of which no hunt is there, that are there already, or whose schedule has another one under way.
WITH due AS MATERIALIZED (
    SELECT d.schedule_id, d.slot, nullif(d.look_from, -1) AS look_from, s.selection,
           nextval(pg_get_serial_sequence('rmm.runs', 'id')) AS run_id
    FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS d (schedule_id, slot, look_from)
    JOIN rmm.schedules s ON s.id = d.schedule_id
), selections AS (
    SELECT DISTINCT selection FROM due
), meant AS MATERIALIZED (
    SELECT s.selection, h.id, h.slug, h.current_version
    FROM selections s
    JOIN rmm.hunts h ON s.selection @> '{"all":true}' OR lower(h.tool) = lower(s.selection ->> 'tool')
                     OR s.selection -> 'hunts' ?| ARRAY[h.id, h.slug]
    WHERE h.retired_at IS NULL AND h.state <> 'disabled'
), covered AS (
    SELECT selection, count(*) AS hunts,
           (SELECT array_agg(name) FROM jsonb_array_elements_text(coalesce(m.selection -> 'hunts', '[]')) AS name
            WHERE name NOT IN (SELECT unnest(ARRAY[n.id, n.slug]) FROM meant n WHERE n.selection = m.selection)) AS missing
    FROM meant m GROUP BY selection
), opened AS (
    INSERT INTO rmm.slots (schedule_id, slot, state, run_id)
    SELECT schedule_id, slot, 'queued', run_id FROM due JOIN covered USING (selection)
    ON CONFLICT DO NOTHING
    RETURNING schedule_id, run_id
), runs AS (
    INSERT INTO rmm.runs (id, state, selection, as_of, window_from, window_to, hunts_total, missing) OVERRIDING SYSTEM VALUE
    SELECT run_id, 'queued', selection, slot, look_from, slot, hunts, missing
    FROM due JOIN opened USING (run_id) JOIN covered USING (selection)
), results AS (
    INSERT INTO rmm.results (run_id, hunt_id, hunt_version, state)
    SELECT run_id, m.id, m.current_version, 'queued'
    FROM due JOIN opened USING (run_id) JOIN meant m USING (selection)
)
SELECT o.schedule_id, o.run_id, array_to_string(c.missing, ', ')
FROM opened o JOIN due USING (run_id) JOIN covered c USING (selection)
