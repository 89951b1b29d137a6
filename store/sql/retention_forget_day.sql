-- $1 smallint: table, $2 integer: day. Away with what is known of single events, devices and indexes of a day whose events have
-- just been dropped, but for the day itself; how many rows it had.
WITH counted AS (
    DELETE FROM rmm.days WHERE event_table = $1::smallint AND day = $2::integer RETURNING rows
), arrived AS (
    DELETE FROM rmm.arrivals WHERE event_table = $1::smallint AND day = $2::integer RETURNING rows
), seen AS (
    DELETE FROM rmm.presence WHERE event_table = $1::smallint AND day = $2::integer
), hits AS (
    DELETE FROM rmm.hits WHERE event_table = $1::smallint
      AND ts >= $2::integer * 864000000000 AND ts < ($2::integer + 1) * 864000000000
), noted AS (
    INSERT INTO rmm.dropped_days (event_table, day) VALUES ($1::smallint, $2::integer) ON CONFLICT DO NOTHING
), gone AS (
    DELETE FROM rmm.reporters WHERE event_table = $1::smallint AND last_day = $2::integer
), compacted AS (
    DELETE FROM rmm.compacted WHERE to_regclass(format('data.%I', index_name)) IS NULL
)
SELECT coalesce(sum(rows), 0)::bigint FROM (SELECT rows FROM counted UNION ALL SELECT rows FROM arrived) r
