-- $1 integer: bit n set: table n of the schema has rows in it; $2 bigint, $3 bigint: earliest and latest event time in
-- ticks, NULL without rows. The next commit's number: the upper part of its rows' arrival numbers; its time in ticks.
INSERT INTO rmm.batches (id, tables, from_ts, to_ts)
VALUES (nextval('rmm.batch'), $1::integer, $2::bigint, $3::bigint)
RETURNING id, (extract(epoch FROM arrived_at) * 10000000)::bigint + 621355968000000000
