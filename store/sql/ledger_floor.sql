-- $1 pg_snapshot. Batches of events that it did not see: lowest arrival number, earliest and latest event time in ticks;
-- NULLs when there are none.
SELECT min(id) << 20, min(from_ts), max(to_ts) FROM rmm.batches
WHERE xid >= pg_snapshot_xmin($1::pg_snapshot) AND NOT pg_visible_in_snapshot(xid, $1::pg_snapshot) AND from_ts IS NOT NULL
