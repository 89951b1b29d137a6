-- $1 smallint: table, $2 integer[]: days since 0001-01-01, $3 integer[]: devices (dict.device ids), $4 integer[]: their
-- hosts. Which device reports on which day.
INSERT INTO rmm.presence (event_table, day, device, host)
SELECT DISTINCT ON (day, device) $1::smallint, day, device, host
FROM unnest($2::integer[], $3::integer[], $4::integer[]) AS u (day, device, host)
ORDER BY day, device
ON CONFLICT DO NOTHING
