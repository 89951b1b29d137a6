-- $1 text: time zone, $2 bigint, $3 bigint: from and to, in seconds since 1970. From when (seconds) which offset (seconds
-- ahead of UTC) holds. Days are looked at first, then the minutes of those days within which the offset changed.
WITH days AS (
    SELECT day, lead(day) OVER (ORDER BY day) AS next_day
    FROM generate_series($2::bigint / 86400 * 86400, $3::bigint + 2 * 86400, 86400) AS day
), offsets AS (
    SELECT day, next_day,
           extract(epoch FROM to_timestamp(day) AT TIME ZONE $1::text)::bigint - day AS shift,
           extract(epoch FROM to_timestamp(next_day) AT TIME ZONE $1::text)::bigint - next_day AS next_shift
    FROM days
), minutes AS (
    SELECT minute, extract(epoch FROM to_timestamp(minute) AT TIME ZONE $1::text)::bigint - minute AS shift
    FROM offsets, generate_series(day, next_day, 60) AS minute
    WHERE shift <> next_shift
), changes AS (
    SELECT minute, shift, lag(shift, 1, shift) OVER (ORDER BY minute) AS earlier FROM minutes
)
SELECT min(day), (array_agg(shift ORDER BY day))[1] FROM offsets
UNION ALL
(SELECT minute, shift FROM changes WHERE shift <> earlier)
ORDER BY 1
