-- $1 smallint: table of the schema, $2 bigint, $3 bigint: days since 0001-01-01. First and last of those whose events were
-- deleted, in ticks, and how many days; NULLs and 0 when there are none.
SELECT min(day)::bigint * 864000000000, max(day)::bigint * 864000000000, count(*)
FROM rmm.dropped_days WHERE event_table = $1::smallint AND day BETWEEN $2::bigint AND $3::bigint
