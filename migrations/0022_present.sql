-- Devices of a day are kept as arrays: a row a device and day cost a fifth of an ingest.
ALTER TABLE rmm.presence RENAME TO presence_pairs;
ALTER INDEX rmm.presence_pkey RENAME TO presence_pairs_pkey;
CREATE TABLE rmm.presence (
    event_table smallint NOT NULL,
    day integer NOT NULL,
    batch bigint,
    devices integer[] NOT NULL,
    hosts integer[] NOT NULL
);
CREATE INDEX presence_day ON rmm.presence (event_table, day);
COMMENT ON TABLE rmm.presence IS 'which devices sent events of a table on a day: tells "no hits" from "no data"; one by one in rmm.present';
COMMENT ON COLUMN rmm.presence.event_table IS 'place in the schema''s list of tables, from 0';
COMMENT ON COLUMN rmm.presence.batch IS 'the commit that found them, which may have been noted before; NULL: all of a day, merged about once a minute';
COMMENT ON COLUMN rmm.presence.hosts IS 'dict.host of each of the devices, as it was at the first event of the day; 0: not known';
INSERT INTO rmm.presence (event_table, day, devices, hosts)
SELECT event_table, day, array_agg(device ORDER BY device), array_agg(host ORDER BY device)
FROM rmm.presence_pairs GROUP BY event_table, day;

CREATE VIEW rmm.present AS
SELECT p.event_table, p.day, u.device, u.host, p.batch
FROM rmm.presence p CROSS JOIN LATERAL unnest(p.devices, p.hosts) AS u (device, host);
COMMENT ON VIEW rmm.present IS 'which device sent events of which table on which day, exact; the same pair may come several times';

-- what was noted of days, but not of reporters yet
INSERT INTO rmm.reporters AS r (event_table, device, host, last_day)
SELECT DISTINCT ON (p.event_table, p.device) p.event_table, p.device, p.host, p.day
FROM (SELECT DISTINCT event_table, day FROM rmm.arrivals) a JOIN rmm.presence_pairs p USING (event_table, day)
ORDER BY p.event_table, p.device, p.day DESC
ON CONFLICT (event_table, device) DO UPDATE SET host = excluded.host, last_day = excluded.last_day
WHERE r.last_day < excluded.last_day;

CREATE OR REPLACE VIEW rmm.last_days AS
SELECT event_table, device, CASE WHEN fresh.day > r.last_day THEN fresh.host ELSE coalesce(r.host, fresh.host) END AS host,
       greatest(r.last_day, fresh.day) AS last_day
FROM rmm.reporters r
FULL JOIN (SELECT DISTINCT ON (event_table, device) event_table, device, host, day FROM rmm.present
           WHERE batch IS NOT NULL ORDER BY event_table, device, day DESC, batch) fresh USING (event_table, device);
COMMENT ON TABLE rmm.reporters IS 'the last day on which a device sent events of a table, but for what isn''t merged in rmm.presence: read rmm.last_days';
DROP TABLE rmm.presence_pairs;
