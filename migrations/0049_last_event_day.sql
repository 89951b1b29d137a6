-- By an index, and without what the last minute noted: a page of a hundred devices looked through all of that for each. At least
-- the day of its last sighting by a hunt, so that a device found just now isn't silent.
CREATE INDEX reporters_device ON rmm.reporters (device, last_day);
DROP INDEX rmm.presence_unmerged;
DROP FUNCTION rmm.last_event_day(integer);
CREATE FUNCTION rmm.last_event_day(device integer, last_seen bigint) RETURNS integer
LANGUAGE sql STABLE PARALLEL SAFE COST 1000 AS $$
  SELECT greatest((SELECT max(r.last_day) FROM rmm.reporters r WHERE r.device = last_event_day.device),
                  (last_seen / 864000000000)::integer)
$$;
COMMENT ON FUNCTION rmm.last_event_day IS 'the last day with any event of the device, from 0001-01-01, as far as it is merged: once a minute';
