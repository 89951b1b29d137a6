-- The ledger: what hunts ever found, kept beyond the events' own retention.
ALTER TABLE rmm.hunts ADD COLUMN number integer GENERATED ALWAYS AS IDENTITY UNIQUE;
COMMENT ON COLUMN rmm.hunts.number IS 'short id for the ledger';

CREATE TABLE rmm.ledger (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    quiet_days integer NOT NULL DEFAULT 14,
    new_days integer NOT NULL DEFAULT 7
);
INSERT INTO rmm.ledger DEFAULT VALUES;
COMMENT ON TABLE rmm.ledger IS 'one row; whoever writes the ledger or changes holds its lock until the commit, so that change ids are in commit order';
COMMENT ON COLUMN rmm.ledger.quiet_days IS 'days without a sighting after which a finding is quiet';
COMMENT ON COLUMN rmm.ledger.new_days IS 'days for which a finding is new, or returned';

CREATE TABLE rmm.ledger_hunts (
    hunt integer PRIMARY KEY REFERENCES rmm.hunts (number),
    version integer NOT NULL,
    snapshot pg_snapshot NOT NULL,
    served_to bigint,
    by_run boolean NOT NULL
);
COMMENT ON TABLE rmm.ledger_hunts IS 'how far the ledger has read for each hunt';
COMMENT ON COLUMN rmm.ledger_hunts.snapshot IS 'batches visible in it have been looked at';
COMMENT ON COLUMN rmm.ledger_hunts.by_run IS 'sightings depend on the window of a run: the query reads other tables beside its own, or compares more than Timestamp with now()';
COMMENT ON COLUMN rmm.ledger_hunts.served_to IS 'ticks: latest end of a window that a run has answered; events up to there that come after it are late';

CREATE TABLE rmm.hits (
    device integer NOT NULL,
    hunt integer NOT NULL,
    ts bigint NOT NULL,
    report_id bigint,
    digest bigint NOT NULL,
    arrived bigint NOT NULL,
    run_id bigint NOT NULL,
    event_table smallint NOT NULL,
    counted boolean NOT NULL,
    late boolean NOT NULL
);
CREATE UNIQUE INDEX hits_event ON rmm.hits (ts, device, event_table, digest, report_id, hunt) NULLS NOT DISTINCT;
CREATE INDEX hits_device ON rmm.hits (device, hunt, ts);
CREATE INDEX hits_late ON rmm.hits (run_id, hunt) WHERE late;
COMMENT ON TABLE rmm.hits IS 'events that a hunt found, as long as the events themselves are kept';
COMMENT ON COLUMN rmm.hits.run_id IS 'the run that found it first';
COMMENT ON COLUMN rmm.hits.counted IS 'false: another hunt of the same tool and signal has counted the event';
COMMENT ON COLUMN rmm.hits.late IS 'came after a run had answered for its time';

CREATE TABLE rmm.findings (
    device integer NOT NULL,
    tool text NOT NULL,
    signal text NOT NULL,
    first_seen bigint NOT NULL,
    last_seen bigint NOT NULL,
    count bigint NOT NULL,
    days int4multirange NOT NULL,
    PRIMARY KEY (device, tool, signal)
);
CREATE INDEX findings_tool ON rmm.findings (lower(tool), signal);
COMMENT ON TABLE rmm.findings IS 'per device, tool and signal: seen when and how often';
COMMENT ON COLUMN rmm.findings.first_seen IS 'event time in ticks, as last_seen';
COMMENT ON COLUMN rmm.findings.count IS 'distinct events';
COMMENT ON COLUMN rmm.findings.days IS 'days with events, counted from 0001-01-01';

CREATE TABLE rmm.device_tools (
    device integer NOT NULL,
    tool text NOT NULL,
    first_seen bigint NOT NULL,
    last_seen bigint NOT NULL,
    count bigint NOT NULL,
    signals text[] NOT NULL,
    streak_from integer NOT NULL,
    told bigint NOT NULL,
    PRIMARY KEY (device, tool)
);
CREATE INDEX device_tools_tool ON rmm.device_tools (lower(tool), device);
COMMENT ON TABLE rmm.device_tools IS 'rmm.findings per device and tool';
COMMENT ON COLUMN rmm.device_tools.streak_from IS 'day on which the present sightings began: behind the last gap of more than quiet_days';
COMMENT ON COLUMN rmm.device_tools.told IS 'count when a change last told of it';

CREATE TABLE rmm.devices (
    device integer PRIMARY KEY,
    device_id text NOT NULL UNIQUE,
    device_name text NOT NULL,
    machine_group text NOT NULL,
    first_seen bigint NOT NULL,
    last_seen bigint NOT NULL,
    tools integer NOT NULL,
    flags jsonb NOT NULL DEFAULT '[]'
);
CREATE INDEX devices_last_seen ON rmm.devices (last_seen, device);
CREATE INDEX devices_first_seen ON rmm.devices (first_seen, device);
CREATE INDEX devices_name ON rmm.devices (device_name, device);
COMMENT ON TABLE rmm.devices IS 'devices with findings, for lists: rmm.device_tools per device';
COMMENT ON COLUMN rmm.devices.tools IS 'how many; hunts over "All Tools" name none';
COMMENT ON COLUMN rmm.devices.device_name IS 'the name at the latest sighting; all of them are in rmm.facts';
COMMENT ON COLUMN rmm.devices.flags IS 'several tools, signals that contradict each other';

CREATE TABLE rmm.facts (
    device integer NOT NULL,
    tool text NOT NULL,
    signal text NOT NULL,
    kind text NOT NULL,
    key uuid NOT NULL,
    value text NOT NULL,
    of text NOT NULL DEFAULT '',
    first_seen bigint NOT NULL,
    last_seen bigint NOT NULL,
    PRIMARY KEY (device, tool, signal, kind, key)
);
COMMENT ON TABLE rmm.facts IS 'what the found events say: device_name, machine_group, account, sha1, file_name, folder_path, signer, serial, domain';
COMMENT ON COLUMN rmm.facts.key IS 'digest of value and of: values may be longer than an index takes';
COMMENT ON COLUMN rmm.facts.of IS 'what the value belongs to: the SHA1 of a file name or path, signer and issuer of a serial';

CREATE TABLE rmm.tool_facts (
    tool text NOT NULL,
    kind text NOT NULL,
    key uuid NOT NULL,
    value text NOT NULL,
    of text NOT NULL DEFAULT '',
    first_seen bigint NOT NULL,
    last_seen bigint NOT NULL,
    PRIMARY KEY (tool, kind, key)
);
COMMENT ON TABLE rmm.tool_facts IS 'rmm.facts in the whole estate: signers, serials, SHA1s, accounts and domains of a tool with their first sighting';

CREATE TABLE rmm.changes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    type text NOT NULL,
    device_id text,
    device_name text,
    tool text,
    run_id bigint,
    detail jsonb NOT NULL
);
CREATE INDEX changes_at ON rmm.changes (at);
COMMENT ON TABLE rmm.changes IS 'what is new since when: written under the lock of rmm.ledger only, so that a reader who goes by id misses nothing';

-- The day on which the present streak of sightings began.
CREATE FUNCTION rmm.streak_from(days int4multirange, quiet_days integer) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT max(start) FROM (
    SELECT lower(r) AS start, lower(r) - lag(upper(r)) OVER (ORDER BY r) AS gap FROM unnest(days) r) s
  WHERE gap IS NULL OR gap >= quiet_days
$$;

-- new, known, quiet or returned, at a time in ticks.
CREATE FUNCTION rmm.finding_state(first_seen bigint, last_seen bigint, streak_from integer, now bigint, new_days integer,
                                  quiet_days integer) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN last_seen < now - quiet_days * 864000000000 THEN 'quiet'
    WHEN first_seen >= now - new_days * 864000000000 THEN 'new'
    WHEN streak_from > first_seen / 864000000000 AND streak_from >= now / 864000000000 - new_days THEN 'returned'
    ELSE 'known' END
$$;

CREATE FUNCTION rmm.fact_key(value text, of text) RETURNS uuid
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT encode(substr(sha256(convert_to(length(value) || ':' || value || of, 'UTF8')), 1, 16), 'hex')::uuid
$$;

-- Host of a URL or of what a sensor gives as one.
CREATE FUNCTION rmm.url_host(url text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT coalesce(lower(substring(url FROM '^(?:[A-Za-z][A-Za-z0-9+.-]*://)?(?:[^/?#@]*@)?([^/:?#]+)')), '')
$$;

CREATE VIEW rmm.hunt_tools AS
SELECT number AS hunt, coalesce(nullif(tool, ''), slug) AS tool, coalesce(nullif(signal, ''), 'other') AS signal
FROM rmm.hunts;
COMMENT ON VIEW rmm.hunt_tools IS 'what a hunt''s hits are sightings of';

CREATE TABLE rmm.tool_processes (
    tool text NOT NULL,
    name text NOT NULL,
    PRIMARY KEY (tool, name)
);
COMMENT ON TABLE rmm.tool_processes IS 'file names of a tool''s own programs as the catalogue has them, in lower case, without .exe';

-- Work tables of the one pass that holds the lock of rmm.ledger; empty between passes.
CREATE UNLOGGED TABLE rmm.ledger_found (
    hunt integer NOT NULL, event_table smallint NOT NULL, ts bigint NOT NULL, device integer NOT NULL,
    report_id bigint, digest bigint NOT NULL, arrived bigint NOT NULL
);
COMMENT ON TABLE rmm.ledger_found IS 'work: events that hunts count, known or not';
CREATE UNLOGGED TABLE rmm.ledger_new (
    hunt integer NOT NULL, tool text NOT NULL, signal text NOT NULL, event_table smallint NOT NULL, ts bigint NOT NULL,
    device integer NOT NULL, report_id bigint, digest bigint NOT NULL, counted boolean NOT NULL, late boolean NOT NULL
);
COMMENT ON TABLE rmm.ledger_new IS 'work: those that are new to the ledger';
CREATE UNLOGGED TABLE rmm.ledger_facts (
    device integer NOT NULL, tool text NOT NULL, signal text NOT NULL, kind text NOT NULL, value text NOT NULL,
    of text NOT NULL, first_seen bigint NOT NULL, last_seen bigint NOT NULL
);
COMMENT ON TABLE rmm.ledger_facts IS 'work: what the new ones say';
CREATE UNLOGGED TABLE rmm.ledger_touched (
    device integer NOT NULL, tool text NOT NULL, signal text NOT NULL, known boolean NOT NULL, late bigint NOT NULL
);
COMMENT ON TABLE rmm.ledger_touched IS 'work: findings with new events, and whether they were known';
CREATE UNLOGGED TABLE rmm.ledger_changed (
    device integer NOT NULL, tool text NOT NULL, old_first bigint, old_streak integer, old_count bigint, other_tools bigint NOT NULL
);
COMMENT ON TABLE rmm.ledger_changed IS 'work: how rmm.device_tools was before; NULL: no such row';
