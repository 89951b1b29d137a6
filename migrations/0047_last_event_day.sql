-- A quiet device may have gone silent: lists say so, too.
CREATE INDEX presence_unmerged ON rmm.presence (batch) WHERE batch IS NOT NULL;

-- The last day with any event of a device, counted from 0001-01-01; NULL when none is kept.
CREATE FUNCTION rmm.last_event_day(device integer) RETURNS integer
LANGUAGE sql STABLE PARALLEL SAFE COST 1000 AS $$
  SELECT max(e.day)
  FROM (SELECT r.last_day AS day FROM rmm.reporters r
        WHERE r.device = last_event_day.device AND r.event_table = ANY (ARRAY(SELECT g::smallint FROM generate_series(0, 31) g))
        UNION ALL -- what isn't merged yet
        SELECT p.day FROM rmm.presence p WHERE p.batch IS NOT NULL AND last_event_day.device = ANY (p.devices)) e
$$;

-- Whether that is longer ago than coverage looks back by itself: seven days.
CREATE FUNCTION rmm.is_silent(last_event_day integer) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT coalesce(last_event_day < rmm.ticks(clock_timestamp()) / 864000000000 - 7, true)
$$;
