-- First and last sighting of each day: what states of the past, and how long a finding has returned, are told from.
CREATE TABLE rmm.finding_days (
    device integer NOT NULL,
    tool text NOT NULL,
    signal text NOT NULL,
    day integer NOT NULL,
    first_seen bigint NOT NULL,
    last_seen bigint NOT NULL,
    PRIMARY KEY (device, tool, signal, day)
);
COMMENT ON TABLE rmm.finding_days IS 'per finding and day of events that are known one by one: the first and the last, in ticks; days of which only results are known have none';
INSERT INTO rmm.finding_days (device, tool, signal, day, first_seen, last_seen)
SELECT k.device, t.tool, t.signal, (k.ts / 864000000000)::integer, min(k.ts), max(k.ts)
FROM rmm.hits k JOIN rmm.hunt_tools t ON t.hunt = k.hunt
JOIN rmm.findings f ON (f.device, f.tool, f.signal) = (k.device, t.tool, t.signal)
GROUP BY 1, 2, 3, 4;

ALTER TABLE rmm.ledger ADD COLUMN inexact_day integer;
COMMENT ON COLUMN rmm.ledger.inexact_day IS 'the latest day of whose sightings some times are not known: their events were gone when rmm.finding_days began; NULL: no such day';
UPDATE rmm.ledger SET inexact_day = (
    SELECT max(g.day) FROM rmm.findings f, unnest(f.days) r, generate_series(lower(r), upper(r) - 1) g (day)
    WHERE f.by_result = 0
      AND NOT EXISTS (SELECT FROM rmm.finding_days d WHERE (d.device, d.tool, d.signal, d.day) = (f.device, f.tool, f.signal, g.day)));

-- Ticks of the first sighting behind the last gap; signal NULL: of the tool by any.
CREATE FUNCTION rmm.streak_start(of_device integer, of_tool text, of_signal text, days int4multirange, first_seen bigint,
                                 quiet_days integer) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
DECLARE
    start integer := rmm.streak_from(days, quiet_days);
BEGIN
    IF start = first_seen / 864000000000 THEN
        RETURN first_seen;
    END IF;
    RETURN coalesce((SELECT min(d.first_seen) FROM rmm.finding_days d
                     WHERE d.device = of_device AND d.tool = of_tool AND (of_signal IS NULL OR d.signal = of_signal)
                       AND d.day = start), start * 864000000000, 0);
END
$$;

DROP FUNCTION rmm.finding_state(bigint, bigint, integer, bigint, integer, integer);
CREATE FUNCTION rmm.finding_state(first_seen bigint, last_seen bigint, streak_from bigint, now bigint, new_days integer,
                                  quiet_days integer) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN last_seen < now - quiet_days * 864000000000 THEN 'quiet'
    WHEN first_seen >= now - new_days * 864000000000 THEN 'new'
    WHEN streak_from > first_seen AND streak_from >= now - new_days * 864000000000 THEN 'returned'
    ELSE 'known' END
$$;

-- The state that it had at a time in ticks, from what was seen by then; NULL: nothing was. signal NULL: the tool by any.
CREATE FUNCTION rmm.state_at(of_device integer, of_tool text, of_signal text, first_seen bigint, last_seen bigint,
                             streak_from bigint, at bigint) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
    ledger rmm.ledger;
    today integer := at / 864000000000;
    seen int4multirange;
    last bigint;
BEGIN
    IF first_seen > at THEN
        RETURN NULL;
    END IF;
    SELECT * INTO ledger FROM rmm.ledger;
    IF last_seen <= at THEN
        RETURN rmm.finding_state(first_seen, last_seen, streak_from, at, ledger.new_days, ledger.quiet_days);
    END IF;
    seen := (SELECT range_agg(f.days) FROM rmm.findings f
             WHERE f.device = of_device AND f.tool = of_tool AND (of_signal IS NULL OR f.signal = of_signal))
            * int4multirange(int4range(NULL, today + 1));
    -- what came later on the same day wasn't seen yet
    IF first_seen / 864000000000 < today AND at < (SELECT min(d.first_seen) FROM rmm.finding_days d
            WHERE d.device = of_device AND d.tool = of_tool AND (of_signal IS NULL OR d.signal = of_signal) AND d.day = today) THEN
        seen := seen - int4multirange(int4range(today, today + 1));
    END IF;
    last := upper(seen) - 1;
    last := CASE WHEN last = today THEN at
                 ELSE coalesce((SELECT max(d.last_seen) FROM rmm.finding_days d
                                WHERE d.device = of_device AND d.tool = of_tool AND (of_signal IS NULL OR d.signal = of_signal)
                                  AND d.day = last), (last + 1) * 864000000000 - 1) END;
    RETURN rmm.finding_state(first_seen, last,
        rmm.streak_start(of_device, of_tool, of_signal, seen, first_seen, ledger.quiet_days), at, ledger.new_days, ledger.quiet_days);
END
$$;

CREATE OR REPLACE FUNCTION rmm.finding_streak() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.streak_from := rmm.streak_start(NEW.device, NEW.tool, NEW.signal, NEW.days, NEW.first_seen, (SELECT quiet_days FROM rmm.ledger));
    RETURN NEW;
END
$$;

ALTER TABLE rmm.findings ALTER COLUMN streak_from TYPE bigint;
ALTER TABLE rmm.device_tools ALTER COLUMN streak_from TYPE bigint;
ALTER TABLE rmm.devices ALTER COLUMN back_since TYPE bigint;
ALTER TABLE rmm.ledger_changed ALTER COLUMN old_streak TYPE bigint;
COMMENT ON COLUMN rmm.device_tools.streak_from IS 'ticks: when the present sightings began: behind the last gap of quiet_days whole days or more';
UPDATE rmm.findings SET days = days;
UPDATE rmm.device_tools t
SET streak_from = rmm.streak_start(t.device, t.tool, NULL, (SELECT range_agg(f.days) FROM rmm.findings f WHERE f.device = t.device AND f.tool = t.tool),
                                   t.first_seen, (SELECT quiet_days FROM rmm.ledger));
UPDATE rmm.devices v
SET back_since = (SELECT max(t.streak_from) FROM rmm.device_tools t WHERE t.device = v.device AND t.streak_from > t.first_seen);
