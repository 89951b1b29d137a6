-- $1 integer: about how many devices at most. Merges the devices that commits noted into those of their days, and adds
-- them to those that report. Another merge at the same time leaves two rows of a day, for the next one.
WITH moved AS MATERIALIZED (
    DELETE FROM rmm.presence
    WHERE batch <= (SELECT max(batch)
                    FROM (SELECT batch, sum(cardinality(devices)) OVER (ORDER BY batch) - cardinality(devices) AS before
                          FROM rmm.presence WHERE batch IS NOT NULL) b
                    WHERE before < $1::integer)
    RETURNING *
), merged AS MATERIALIZED (
    DELETE FROM rmm.presence p USING (SELECT DISTINCT event_table, day FROM moved) d
    WHERE p.event_table = d.event_table AND p.day = d.day AND p.batch IS NULL
    RETURNING p.*
), pairs AS MATERIALIZED (
    SELECT DISTINCT ON (m.event_table, m.day, u.device) m.event_table, m.day, u.device, u.host
    FROM moved m CROSS JOIN LATERAL unnest(m.devices, m.hosts) AS u (device, host)
    ORDER BY m.event_table, m.day, u.device, m.batch
), noted AS (
    INSERT INTO rmm.presence (event_table, day, devices, hosts)
    SELECT event_table, day, array_agg(device), array_agg(host)
    FROM (SELECT DISTINCT ON (event_table, day, device) event_table, day, device, host
          FROM (SELECT m.event_table, m.day, u.device, u.host, 0 AS turn
                FROM merged m CROSS JOIN LATERAL unnest(m.devices, m.hosts) AS u (device, host)
                UNION ALL SELECT event_table, day, device, host, 1 FROM pairs) a
          ORDER BY event_table, day, device, turn) d
    GROUP BY event_table, day
), seen AS (
    INSERT INTO rmm.reporters AS r (event_table, device, host, last_day)
    SELECT l.* FROM (SELECT DISTINCT ON (event_table, device) event_table, device, host, day FROM pairs
                     ORDER BY event_table, device, day DESC) l
    WHERE NOT EXISTS (SELECT FROM rmm.reporters k WHERE k.event_table = l.event_table AND k.device = l.device
                      AND k.last_day >= l.day)
    ORDER BY event_table, device
    ON CONFLICT (event_table, device) DO UPDATE SET host = excluded.host, last_day = excluded.last_day
    WHERE r.last_day < excluded.last_day
)
SELECT count(*) FROM moved
