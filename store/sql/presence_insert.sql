-- $1 smallint: table, $2 integer[]: days since 0001-01-01, $3 integer[]: devices (dict.device ids), $4 integer[]: their
-- hosts, $5 bigint: batch. Which device reports on which day.
INSERT INTO rmm.presence (batch, event_table, day, devices, hosts)
SELECT $5::bigint, $1::smallint, day, array_agg(device), array_agg(host)
FROM unnest($2::integer[], $3::integer[], $4::integer[]) AS u (day, device, host)
GROUP BY day
