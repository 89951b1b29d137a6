-- $1 smallint: table of the schema, $2 bigint, $3 bigint: days since 0001-01-01. Newest event and arrival in ticks, NULL
-- when there are none; rows of the days.
SELECT max(newest_event), max(newest_arrival),
       coalesce(sum(rows) FILTER (WHERE day BETWEEN $2::bigint AND $3::bigint), 0)::bigint
FROM rmm.counts WHERE event_table = $1::smallint
