-- What isn't merged yet is looked through only for a later day than is known: most of it is of the day that the device is known for.
CREATE OR REPLACE FUNCTION rmm.last_event_day(device integer) RETURNS integer
LANGUAGE sql STABLE PARALLEL SAFE COST 1000 AS $$
  SELECT coalesce((SELECT p.day FROM rmm.presence p -- what isn't merged yet: seldom a later day
                   WHERE p.batch IS NOT NULL AND p.day > coalesce(m.day, 0) AND last_event_day.device = ANY (p.devices)
                   ORDER BY p.day DESC LIMIT 1), m.day)
  FROM (SELECT max(r.last_day) AS day FROM rmm.reporters r
        WHERE r.device = last_event_day.device AND r.event_table = ANY (ARRAY(SELECT g::smallint FROM generate_series(0, 31) g))) m
$$;
