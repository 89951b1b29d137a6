CREATE TABLE rmm.instance (
    key bytea NOT NULL CHECK (length(key) = 32),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE UNIQUE INDEX instance_one ON rmm.instance ((true));
COMMENT ON TABLE rmm.instance IS 'the one row about this database';
COMMENT ON COLUMN rmm.instance.key IS 'random; keys the digests of events and dictionary tuples';
-- two random UUIDs hold 244 random bits; hashing spreads them over 32 bytes
INSERT INTO rmm.instance (key)
VALUES (sha256(convert_to(gen_random_uuid()::text || gen_random_uuid()::text || gen_random_uuid()::text, 'UTF8')));

CREATE SEQUENCE rmm.batch;
COMMENT ON SEQUENCE rmm.batch IS 'number of a commit of events: the upper part of its rows'' arrival numbers';

CREATE TABLE rmm.batches (
    id bigint PRIMARY KEY,
    arrived_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    rows bigint NOT NULL DEFAULT 0
);
COMMENT ON TABLE rmm.batches IS 'commits of events';

CREATE TABLE rmm.dead_letters (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    code text NOT NULL,
    message text NOT NULL,
    event_table text,
    source text,
    raw bytea NOT NULL,
    retried_at timestamptz,
    state text NOT NULL DEFAULT 'rejected'
);
CREATE INDEX dead_letters_received ON rmm.dead_letters (received_at);
COMMENT ON TABLE rmm.dead_letters IS 'records that could not become events, kept so that they can be sent again';
COMMENT ON COLUMN rmm.dead_letters.code IS 'why: the stable error name that the sender got';
COMMENT ON COLUMN rmm.dead_letters.event_table IS 'Kusto''s table name; NULL: the record names none we know';
COMMENT ON COLUMN rmm.dead_letters.raw IS 'the record as it came';

CREATE TABLE rmm.hunts (
    id text PRIMARY KEY,
    slug text NOT NULL UNIQUE,
    name text NOT NULL,
    tool text,
    signal text,
    tactics text,
    techniques text,
    noise text,
    noise_level integer,
    why text,
    description text,
    source text,
    origin text NOT NULL CHECK (origin IN ('catalogue', 'user')),
    shape text,
    state text NOT NULL,
    current_version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    retired_at timestamptz
);
COMMENT ON TABLE rmm.hunts IS 'hunts: what is looked for; the queries are in rmm.hunt_versions';
COMMENT ON COLUMN rmm.hunts.slug IS 'readable name for URLs';
COMMENT ON COLUMN rmm.hunts.tool IS 'the remote monitoring and management tool that the hunt finds';
COMMENT ON COLUMN rmm.hunts.signal IS 'what gives the tool away: signer, process, network, …';
COMMENT ON COLUMN rmm.hunts.noise_level IS 'how many harmless hits are to be expected, 0 few';
COMMENT ON COLUMN rmm.hunts.shape IS 'what the result''s columns allow: per device, or rows only';
COMMENT ON COLUMN rmm.hunts.retired_at IS 'not run any more since; NULL: in use';

CREATE TABLE rmm.hunt_versions (
    hunt_id text NOT NULL REFERENCES rmm.hunts,
    version integer NOT NULL,
    query text NOT NULL,
    original bytea,
    error jsonb,
    warnings jsonb,
    columns jsonb,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (hunt_id, version)
);
COMMENT ON TABLE rmm.hunt_versions IS 'every KQL query that a hunt had';
COMMENT ON COLUMN rmm.hunt_versions.original IS 'the hunt file as it came; NULL: it came as JSON';
COMMENT ON COLUMN rmm.hunt_versions.error IS 'why the query can''t be compiled; NULL: it can';
COMMENT ON COLUMN rmm.hunt_versions.columns IS 'names and types of the result''s columns';

CREATE TABLE rmm.runs (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    state text NOT NULL,
    selection jsonb,
    as_of bigint NOT NULL,
    window_from bigint,
    window_to bigint,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    started_at timestamptz,
    finished_at timestamptz,
    hunts_total integer NOT NULL DEFAULT 0,
    hunts_done integer NOT NULL DEFAULT 0,
    error jsonb,
    idempotency_key text UNIQUE,
    cancel_requested boolean NOT NULL DEFAULT false
);
CREATE INDEX runs_unfinished ON rmm.runs (id) WHERE state IN ('queued', 'running');
COMMENT ON TABLE rmm.runs IS 'requests to run hunts';
COMMENT ON COLUMN rmm.runs.selection IS 'which hunts were asked for';
COMMENT ON COLUMN rmm.runs.as_of IS 'what now() is in the queries, in ticks of 100 ns since 0001-01-01 UTC';
COMMENT ON COLUMN rmm.runs.window_from IS 'start of the time window in ticks; NULL: the query''s own';
COMMENT ON COLUMN rmm.runs.window_to IS 'end of the time window in ticks; NULL: the query''s own';
COMMENT ON COLUMN rmm.runs.idempotency_key IS 'the sender''s key: the same one again gives the same run';

CREATE TABLE rmm.results (
    run_id bigint NOT NULL REFERENCES rmm.runs ON DELETE CASCADE,
    hunt_id text NOT NULL REFERENCES rmm.hunts,
    hunt_version integer NOT NULL,
    state text NOT NULL,
    body text COMPRESSION lz4,
    etag text,
    finished_at timestamptz,
    PRIMARY KEY (run_id, hunt_id)
);
CREATE INDEX results_of_hunt ON rmm.results (hunt_id, run_id DESC);
COMMENT ON TABLE rmm.results IS 'what one hunt of a run found';
COMMENT ON COLUMN rmm.results.body IS 'the answer as it is sent: a JSON object';
COMMENT ON COLUMN rmm.results.etag IS 'of the body, so that pollers need not fetch it twice';
