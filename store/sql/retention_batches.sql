-- $1 bigint: ticks that they are kept, $2 integer: at most that many. Commits of events that are gone for long; only the
-- oldest are looked at.
WITH gone AS (
    DELETE FROM rmm.batches WHERE id = ANY (ARRAY(
        SELECT id FROM (SELECT id, arrived_at FROM rmm.batches ORDER BY id LIMIT $2::integer) oldest
        WHERE arrived_at < clock_timestamp() - make_interval(secs => $1::bigint / 10000000)))
    RETURNING 1
)
SELECT count(*) FROM gone
