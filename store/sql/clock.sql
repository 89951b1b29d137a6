-- The database's time in ticks.
SELECT (extract(epoch FROM clock_timestamp()) * 10000000)::bigint + 621355968000000000
