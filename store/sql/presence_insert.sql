-- $1 smallint: table, $2 integer[]: days since 0001-01-01, $3 integer[]: devices (dict.device ids).
INSERT INTO rmm.presence (event_table, day, device)
SELECT DISTINCT $1::smallint, day, device FROM unnest($2::integer[], $3::integer[]) AS u (day, device)
ORDER BY 2, 3
ON CONFLICT DO NOTHING
