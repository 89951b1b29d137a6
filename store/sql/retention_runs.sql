-- $1 bigint: ticks that they are kept, $2 integer: at most that many. Old runs of which no result is left.
WITH gone AS (
    DELETE FROM rmm.runs WHERE id = ANY (ARRAY(
        SELECT id FROM rmm.runs n
        WHERE n.finished_at < clock_timestamp() - make_interval(secs => $1::bigint / 10000000)
          AND NOT EXISTS (SELECT FROM rmm.results r WHERE r.run_id = n.id)
        ORDER BY id LIMIT $2::integer))
    RETURNING 1
)
SELECT count(*) FROM gone
