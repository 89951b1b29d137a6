-- $1 bigint: run, $2 integer[]: hunts' numbers, and beside each, $3 bigint[], $4 bigint[]: the window in ticks that a succeeded
-- result answers. In the transaction that ends the run: what comes for these times afterwards is late. Behind ledger_lock, if at all.
INSERT INTO rmm.answered AS a (hunt, version, times)
SELECT w.hunt, r.hunt_version, int8multirange(int8range(w.from_ts, least(w.to_ts, rmm.ticks(clock_timestamp())), '[]'))
FROM unnest($2::integer[], $3::bigint[], $4::bigint[]) w (hunt, from_ts, to_ts)
JOIN rmm.hunts h ON h.number = w.hunt
JOIN rmm.results r ON r.run_id = $1::bigint AND r.hunt_id = h.id AND r.state = 'succeeded'
WHERE w.from_ts <= least(w.to_ts, rmm.ticks(clock_timestamp()))
ORDER BY w.hunt
ON CONFLICT (hunt) DO UPDATE
SET version = excluded.version, times = CASE WHEN a.version = excluded.version THEN a.times + excluded.times ELSE excluded.times END
WHERE a.version <= excluded.version
