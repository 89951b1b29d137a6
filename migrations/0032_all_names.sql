-- A renamed device is found by the names it had: which they are is in rmm.facts, where a generated column can't look.
ALTER TABLE rmm.devices ALTER COLUMN search DROP EXPRESSION;
COMMENT ON COLUMN rmm.devices.search IS 'where ?q= is looked for: the latest hundred names and the id, in lower case';
UPDATE rmm.devices d
SET search = lower(n.names || E'\n' || d.device_id)
FROM (SELECT device, string_agg(name, E'\n' ORDER BY place) AS names
      FROM (SELECT device, left(value, 1000) AS name, row_number() OVER (PARTITION BY device ORDER BY max(last_seen) DESC, value) AS place
            FROM rmm.facts WHERE kind = 'device_name' GROUP BY device, value) f
      WHERE place <= 100 GROUP BY device) n
WHERE n.device = d.device;
-- Names that no index takes kept the counts of all others from being added to those of days.
UPDATE rmm.arrivals SET machine_group = '(further groups)' WHERE octet_length(machine_group) > 256;
