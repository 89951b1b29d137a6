-- $1 bigint: ticks that they are kept, $2 integer: at most that many. Results of old runs, but not a hunt's latest.
WITH gone AS (
    DELETE FROM rmm.results d USING (
        SELECT r.run_id, r.hunt_id FROM rmm.results r JOIN rmm.runs n ON n.id = r.run_id
        WHERE n.finished_at < clock_timestamp() - make_interval(secs => $1::bigint / 10000000)
          AND r.run_id IS DISTINCT FROM (SELECT l.run_id FROM rmm.looks l WHERE l.hunt_id = r.hunt_id
                                         ORDER BY l.whole DESC, l.looked_at DESC, l.run_id DESC LIMIT 1)
        LIMIT $2::integer) old
    WHERE d.run_id = old.run_id AND d.hunt_id = old.hunt_id
    RETURNING 1
)
SELECT count(*) FROM gone
