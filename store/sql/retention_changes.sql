-- $1 bigint: ticks that they are kept, $2 integer: at most that many. Changes.
WITH gone AS (
    DELETE FROM rmm.changes WHERE id = ANY (ARRAY(
        SELECT id FROM rmm.changes WHERE at < clock_timestamp() - make_interval(secs => $1::bigint / 10000000)
        ORDER BY at LIMIT $2::integer))
    RETURNING 1
)
SELECT count(*) FROM gone
