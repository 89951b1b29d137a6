-- $1 smallint: table, $2 integer: day. Away with what is known of single events, devices and indexes of a day whose events have
-- just been dropped, but for the day itself and what hunts had found, summed up; how many rows it had.
WITH counted AS (
    DELETE FROM rmm.days WHERE event_table = $1::smallint AND day = $2::integer RETURNING rows
), arrived AS (
    DELETE FROM rmm.arrivals WHERE event_table = $1::smallint AND day = $2::integer RETURNING rows
), seen AS (
    DELETE FROM rmm.presence WHERE event_table = $1::smallint AND day = $2::integer
), hits AS (
    DELETE FROM rmm.hits WHERE event_table = $1::smallint
      AND ts >= $2::integer * 864000000000 AND ts < ($2::integer + 1) * 864000000000
    RETURNING device, hunt, ts, report_id
), summed AS (
    INSERT INTO rmm.deleted_hits AS d (device, hunt, tool, signal, first_seen, last_seen, count, report_ids)
    SELECT h.device, h.hunt, t.tool, t.signal, min(h.ts), max(h.ts), count(*),
           coalesce(array_agg(DISTINCT h.report_id) FILTER (WHERE h.report_id IS NOT NULL), '{}')
    FROM hits h JOIN rmm.hunt_tools t ON t.hunt = h.hunt
    GROUP BY h.device, h.hunt, t.tool, t.signal ORDER BY 1, 2, 3, 4
    ON CONFLICT (device, hunt, tool, signal) DO UPDATE
    SET first_seen = least(d.first_seen, excluded.first_seen), last_seen = greatest(d.last_seen, excluded.last_seen),
        count = d.count + excluded.count,
        report_ids = ARRAY(SELECT DISTINCT r FROM unnest(d.report_ids || excluded.report_ids) r ORDER BY r)
), noted AS (
    INSERT INTO rmm.dropped_days (event_table, day) VALUES ($1::smallint, $2::integer) ON CONFLICT DO NOTHING
), gone AS (
    DELETE FROM rmm.reporters WHERE event_table = $1::smallint AND last_day = $2::integer
), compacted AS (
    DELETE FROM rmm.compacted WHERE to_regclass(format('data.%I', index_name)) IS NULL
)
SELECT coalesce(sum(rows), 0)::bigint FROM (SELECT rows FROM counted UNION ALL SELECT rows FROM arrived) r
