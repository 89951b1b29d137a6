CREATE FUNCTION rmm.ticks(t timestamptz) RETURNS bigint LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT (extract(epoch FROM t) * 10000000)::bigint + 621355968000000000
$$;
COMMENT ON FUNCTION rmm.ticks IS 'a point in time in ticks of 100 ns since 0001-01-01 UTC';

CREATE TABLE rmm.schedules (
    id text PRIMARY KEY CHECK (id ~ '^[a-z0-9][a-z0-9._-]{0,63}$'),
    name text NOT NULL,
    cron text,
    time_zone text,
    every text,
    look_back text,
    selection jsonb NOT NULL,
    enabled boolean NOT NULL DEFAULT true,
    catch_up text NOT NULL DEFAULT 'latest' CHECK (catch_up IN ('latest', 'all', 'none')),
    catch_up_limit integer NOT NULL DEFAULT 100 CHECK (catch_up_limit BETWEEN 1 AND 1000),
    settled bigint NOT NULL DEFAULT rmm.ticks(clock_timestamp()),
    next_slot bigint,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CHECK ((cron IS NULL) <> (every IS NULL) AND (cron IS NULL) = (time_zone IS NULL))
);
CREATE INDEX schedules_next ON rmm.schedules (next_slot) WHERE enabled;
COMMENT ON TABLE rmm.schedules IS 'when which hunts run by themselves';
COMMENT ON COLUMN rmm.schedules.cron IS 'five fields in the time of time_zone; NULL: every says when';
COMMENT ON COLUMN rmm.schedules.time_zone IS 'IANA name';
COMMENT ON COLUMN rmm.schedules.every IS 'a timespan such as 15m: slots are its whole multiples since 0001-01-01 UTC';
COMMENT ON COLUMN rmm.schedules.look_back IS 'the window: a timespan such as P5D before the slot; NULL: the hunts'' own';
COMMENT ON COLUMN rmm.schedules.selection IS 'which hunts, as in rmm.runs';
COMMENT ON COLUMN rmm.schedules.catch_up IS 'what becomes of slots that were missed';
COMMENT ON COLUMN rmm.schedules.catch_up_limit IS 'with catch_up all: the newest so many';
COMMENT ON COLUMN rmm.schedules.settled IS 'ticks: slots up to here were run or skipped';
COMMENT ON COLUMN rmm.schedules.next_slot IS 'ticks; NULL: the scheduler works it out at its next look';

CREATE TABLE rmm.slots (
    schedule_id text NOT NULL REFERENCES rmm.schedules ON DELETE CASCADE,
    slot bigint NOT NULL,
    state text NOT NULL,
    run_id bigint REFERENCES rmm.runs ON DELETE CASCADE,
    by_hand boolean NOT NULL DEFAULT false,
    error jsonb,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at timestamptz,
    PRIMARY KEY (schedule_id, slot)
);
CREATE UNIQUE INDEX slots_open ON rmm.slots (schedule_id) WHERE finished_at IS NULL;
CREATE UNIQUE INDEX slots_run ON rmm.slots (run_id);
COMMENT ON TABLE rmm.slots IS 'the times a schedule came due, and what became of each; at most one of a schedule is unfinished';
COMMENT ON COLUMN rmm.slots.slot IS 'when it was due, in ticks of 100 ns since 0001-01-01 UTC: the run''s as_of';
COMMENT ON COLUMN rmm.slots.state IS 'the run''s, written together with its results; skipped: missed, and not caught up';
COMMENT ON COLUMN rmm.slots.by_hand IS 'somebody asked for it between the schedule''s own times';

INSERT INTO rmm.schedules (id, name, every, look_back, selection)
VALUES ('catalogue', 'All hunts over five days', '15m', 'P5D', '{"all":true}');
