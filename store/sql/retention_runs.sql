-- $1 bigint: ticks that they are kept, $2 integer: at most that many. Old runs of which no result is left, and the slots of
-- schedules that never had a run; those that had one go with it.
WITH gone AS (
    DELETE FROM rmm.runs WHERE id = ANY (ARRAY(
        SELECT id FROM rmm.runs n
        WHERE n.finished_at < clock_timestamp() - make_interval(secs => $1::bigint / 10000000)
          AND NOT EXISTS (SELECT FROM rmm.results r WHERE r.run_id = n.id)
        ORDER BY id LIMIT $2::integer))
    RETURNING 1
), slots AS (
    DELETE FROM rmm.slots
    WHERE run_id IS NULL AND finished_at < clock_timestamp() - make_interval(secs => $1::bigint / 10000000)
)
SELECT count(*) FROM gone
