-- $1 text: name of a time zone. From when (seconds since 1970) it was how many seconds east of UTC, from 1970 to 2100, by
-- PostgreSQL's zone data. No rows: there is no such zone. Looked for day by day, then hour by hour, then minute by minute.
WITH days AS (
    SELECT t, lag(t) OVER (ORDER BY t) AS before, east, lag(east) OVER (ORDER BY t) AS was
    FROM generate_series(timestamptz '1970-01-01 00:00Z', '2100-01-01 00:00Z', '24:00:00') AS t,
         LATERAL (SELECT extract(epoch FROM (t AT TIME ZONE $1::text) - (t AT TIME ZONE 'UTC'))::integer AS east) AS o
    WHERE EXISTS (SELECT FROM pg_timezone_names WHERE name = $1::text)
), hours AS (
    SELECT d.east, (SELECT min(h) FROM generate_series(d.before, d.t, '1 hour') h
        WHERE extract(epoch FROM (h AT TIME ZONE $1::text) - (h AT TIME ZONE 'UTC')) = d.east) AS at
    FROM days d WHERE d.east <> d.was
), steps AS (
    SELECT east, (SELECT min(m) FROM generate_series(at - interval '1 hour', at, '1 minute') m
        WHERE extract(epoch FROM (m AT TIME ZONE $1::text) - (m AT TIME ZONE 'UTC')) = east) AS at
    FROM hours
    UNION ALL
    SELECT east, t FROM days WHERE before IS NULL
)
SELECT extract(epoch FROM at)::bigint, east FROM steps ORDER BY at
