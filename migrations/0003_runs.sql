ALTER TABLE rmm.batches ADD COLUMN tables integer NOT NULL DEFAULT 0;
COMMENT ON COLUMN rmm.batches.tables IS 'bit n: the n-th table of the schema got rows in this commit';

CREATE TABLE rmm.presence (
    event_table smallint NOT NULL,
    day integer NOT NULL,
    device integer NOT NULL,
    PRIMARY KEY (event_table, day, device)
);
COMMENT ON TABLE rmm.presence IS 'which device sent events of which table on which day (days since 0001-01-01): tells "no hits" from "no data"';
COMMENT ON COLUMN rmm.presence.event_table IS 'place in the schema''s list of tables, from 0';

ALTER TABLE rmm.results ADD COLUMN error jsonb;
COMMENT ON COLUMN rmm.results.error IS 'why the hunt failed in this run: code, message, and line and column for a query that can''t be compiled';

CREATE SCHEMA IF NOT EXISTS kql;
CREATE FUNCTION kql.ticks_text(ticks bigint) RETURNS text LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT to_char(date '0001-01-01' + (ticks / 864000000000)::integer, 'YYYY-MM-DD') || 'T' ||
           to_char(time '00:00' + make_interval(secs => ticks / 10000000 % 86400), 'HH24:MI:SS') || '.' ||
           lpad((ticks % 10000000)::text, 7, '0') || 'Z'
$$;
COMMENT ON FUNCTION kql.ticks_text IS 'a datetime of 100 ns ticks since 0001-01-01 as RFC 3339 text with seven digits';

CREATE FUNCTION kql.time_text(t timestamptz) RETURNS text LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT to_char(t AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"0Z"')
$$;
COMMENT ON FUNCTION kql.time_text IS 'a point in time as RFC 3339 text with seven digits';
