-- $1 smallint: table, $2 integer[]: days since 0001-01-01, $3 integer[]: devices (dict.device ids), $4 integer[]: their
-- hosts. Which device reports on which day, and its last day.
WITH seen AS MATERIALIZED (
    SELECT DISTINCT ON (day, device) day, device, host
    FROM unnest($2::integer[], $3::integer[], $4::integer[]) AS u (day, device, host)
    ORDER BY day, device, host DESC
), new AS (
    INSERT INTO rmm.presence (event_table, day, device)
    SELECT $1::smallint, day, device FROM seen ORDER BY day, device
    ON CONFLICT DO NOTHING RETURNING day, device
)
INSERT INTO rmm.reporters AS r (event_table, device, host, last_day)
SELECT DISTINCT ON (n.device) $1::smallint, n.device, s.host, n.day
FROM new n JOIN seen s ON s.day = n.day AND s.device = n.device
WHERE NOT EXISTS (SELECT FROM rmm.reporters k
                  WHERE k.event_table = $1::smallint AND k.device = n.device AND k.last_day >= n.day)
ORDER BY n.device, n.day DESC
ON CONFLICT (event_table, device) DO UPDATE SET host = excluded.host, last_day = excluded.last_day
WHERE r.last_day < excluded.last_day
