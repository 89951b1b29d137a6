-- $1 bigint: ticks that they are kept since they last came, $2 integer: at most that many. Dead letters.
WITH gone AS (
    DELETE FROM rmm.dead_letters WHERE id = ANY (ARRAY(
        SELECT id FROM rmm.dead_letters
        WHERE last_seen_at < clock_timestamp() - make_interval(secs => $1::bigint / 10000000)
        ORDER BY last_seen_at LIMIT $2::integer))
    RETURNING 1
)
SELECT count(*) FROM gone
