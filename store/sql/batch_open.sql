-- $1 integer: bit n set: table n of the schema has rows in it; $2 bigint, $3 bigint: earliest and latest event time in
-- ticks, NULL without rows; $4 integer: how many numbers. The next commit's numbers, ascending: upper parts of its rows'
-- arrival numbers; its time in ticks; the number under which dictionary ids must have been read. Numbers are given behind
-- the lock: collect.c goes by them.
WITH held AS MATERIALIZED (
    SELECT rmm.dictionary_hold() AS epoch
), batch AS (
    INSERT INTO rmm.batches (id, tables, from_ts, to_ts)
    SELECT nextval('rmm.batch'), $1::integer, $2::bigint, $3::bigint FROM held CROSS JOIN generate_series(1, $4::integer)
    RETURNING id, arrived_at
)
SELECT id, (extract(epoch FROM arrived_at) * 10000000)::bigint + 621355968000000000, epoch FROM batch, held ORDER BY id
