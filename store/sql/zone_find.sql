-- $1 text: a time zone's name in any case. The name as it is written; no row when there is none. UTC first, as it is asked
-- for most and the list of names is slow to make.
SELECT 'UTC' WHERE lower($1::text) = 'utc'
UNION ALL
(SELECT name FROM pg_timezone_names
 WHERE lower($1::text) <> 'utc' AND lower(name) = lower($1::text) AND name NOT LIKE 'posix%' LIMIT 1)
