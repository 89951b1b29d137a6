-- $1 bigint: run, $2 integer[]: hunts' numbers, and beside each, $3 bigint[], $4 bigint[]: the window in ticks that a succeeded
-- result answers. In the transaction that ends the run: what comes for these times afterwards is late. Behind ledger_lock, if at all.
WITH answers AS MATERIALIZED (
    SELECT l.hunt, int8range(w.from_ts, least(w.to_ts, rmm.ticks(clock_timestamp())), '[]') AS times
    FROM unnest($2::integer[], $3::bigint[], $4::bigint[]) w (hunt, from_ts, to_ts)
    JOIN rmm.hunts h ON h.number = w.hunt
    JOIN rmm.results r ON r.run_id = $1::bigint AND r.hunt_id = h.id AND r.state = 'succeeded'
    JOIN rmm.ledger_hunts l ON l.hunt = w.hunt AND l.version = r.hunt_version
    WHERE w.from_ts <= least(w.to_ts, rmm.ticks(clock_timestamp()))
    ORDER BY l.hunt FOR UPDATE OF l
)
UPDATE rmm.ledger_hunts l SET answered = l.answered + int8multirange(a.times) FROM answers a WHERE l.hunt = a.hunt
