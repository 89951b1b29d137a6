-- $1 smallint: table of the schema, $2 bigint, $3 bigint: the window in ticks. Newest arrival in ticks, devices that
-- reported on a day of the window.
SELECT (SELECT (extract(epoch FROM arrived_at) * 10000000)::bigint + 621355968000000000
        FROM rmm.batches WHERE tables & (1 << $1::smallint) <> 0 ORDER BY id DESC LIMIT 1),
       (SELECT count(DISTINCT device) FROM rmm.presence
        WHERE event_table = $1::smallint AND day BETWEEN $2::bigint / 864000000000 AND $3::bigint / 864000000000)
