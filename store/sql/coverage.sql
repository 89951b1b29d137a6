-- $1 smallint: table, $2 text: device group (NULL: all), $3 integer: first day that is looked at, $4 integer: the day on
-- which devices that stayed away since are silent, but for those of $5 smallint[] (tables) and $6 integer[] (devices).
-- A row a table (-1: any table), the whole table first (true), then each device group: devices that report, devices that
-- went silent, rows, of them over an hour and over a day late, the largest delay; newest event and newest arrival, of
-- all that is kept.
WITH reporters AS MATERIALIZED (
    SELECT r.event_table, r.device, r.host, r.last_day, r.last_day > $4::integer OR e.device IS NOT NULL AS reporting
    FROM rmm.last_days r
    LEFT JOIN unnest($5::smallint[], $6::integer[]) AS e (event_table, device)
           ON e.event_table = r.event_table AND e.device = r.device
    WHERE r.last_day >= $3::integer AND ($1::smallint IS NULL OR r.event_table = $1::smallint)
), everywhere AS (
    SELECT (max(last_day::bigint << 32 | host) & 2147483647)::integer AS host, bool_or(reporting) AS reporting
    FROM reporters GROUP BY device
), devices AS (
    SELECT a.event_table, coalesce(h.machine_group, '') AS machine_group, sum(a.reporting) AS reporting,
           sum(a.silent) AS silent
    FROM (SELECT event_table, host, count(*) FILTER (WHERE reporting) AS reporting,
                 count(*) FILTER (WHERE NOT reporting) AS silent
          FROM reporters GROUP BY event_table, host
          UNION ALL
          SELECT -1, host, count(*) FILTER (WHERE reporting), count(*) FILTER (WHERE NOT reporting)
          FROM everywhere GROUP BY host) a
    LEFT JOIN dict.host h ON h.id = a.host
    GROUP BY 1, 2
), counts AS (
    SELECT event_table, machine_group, sum(rows) FILTER (WHERE day >= $3::integer) AS rows,
           sum(late_hour) FILTER (WHERE day >= $3::integer) AS late_hour,
           sum(late_day) FILTER (WHERE day >= $3::integer) AS late_day,
           max(largest_delay) FILTER (WHERE day >= $3::integer) AS delay,
           max(newest_event) AS event, max(newest_arrival) AS arrival
    FROM rmm.counts WHERE $1::smallint IS NULL OR event_table = $1::smallint
    GROUP BY 1, 2
)
SELECT event_table, grouping(machine_group) = 1 AS total, coalesce(machine_group, ''),
       coalesce(sum(reporting), 0)::bigint, coalesce(sum(silent), 0)::bigint, coalesce(sum(rows), 0)::bigint,
       coalesce(sum(late_hour), 0)::bigint, coalesce(sum(late_day), 0)::bigint, coalesce(max(delay), 0),
       coalesce(max(event), -1), coalesce(max(arrival), -1)
FROM devices FULL JOIN counts USING (event_table, machine_group)
WHERE $2::text IS NULL OR machine_group = $2::text
GROUP BY GROUPING SETS ((event_table), (event_table, machine_group))
ORDER BY event_table, total DESC, 3
