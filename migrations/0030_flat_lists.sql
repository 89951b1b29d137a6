-- Lists of devices, findings and changes by index, and without work that is the same for each row.
-- 1. Texts. A function in SQL that isn't put into the statement that calls it is planned anew in each statement, once a
--    call site; these were IMMUTABLE around to_char, which is STABLE, and so were never put in.
CREATE OR REPLACE FUNCTION kql.ticks_text(ticks bigint) RETURNS text LANGUAGE sql STABLE STRICT PARALLEL SAFE AS $$
    SELECT to_char(timestamp '0001-01-01' + make_interval(days => (ticks / 864000000000)::integer, secs => ticks / 10000000 % 86400),
                   'YYYY-MM-DD"T"HH24:MI:SS') || '.' || lpad((ticks % 10000000)::text, 7, '0') || 'Z'
$$;
CREATE OR REPLACE FUNCTION kql.time_text(t timestamptz) RETURNS text LANGUAGE sql STABLE STRICT PARALLEL SAFE AS $$
    SELECT to_char(t AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"0Z"')
$$;
-- Most values have nothing to encode.
CREATE OR REPLACE FUNCTION kql.url_encode(value text, keep text) RETURNS text LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    IF translate(value, 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789' || keep, '') = '' THEN
        RETURN value;
    END IF;
    RETURN coalesce((SELECT string_agg(CASE WHEN c ~ '^[A-Za-z0-9]$' OR strpos(keep, c) > 0 THEN c
            ELSE regexp_replace(upper(encode(convert_to(c, 'UTF8'), 'hex')), '(..)', '%\1', 'g') END, '' ORDER BY p)
        FROM regexp_split_to_table(value, '') WITH ORDINALITY t(c, p)), '');
END
$$;
CREATE OR REPLACE FUNCTION rmm.change_json(change rmm.changes) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT json_build_object('id', change.id::text, 'at', kql.time_text(change.at), 'type', change.type,
        'device_id', change.device_id, 'device_name', change.device_name, 'tool', change.tool,
        'run_id', change.run_id::text, 'summary', rmm.change_summary(change.type, change.detail), 'detail', change.detail,
        'links', json_build_object(
            'device', CASE WHEN change.device_id IS NOT NULL THEN '/v1/devices/' || kql.url_encode(change.device_id, '-_.~') END,
            'evidence', CASE WHEN change.device_id IS NOT NULL AND change.tool IS NOT NULL
                THEN '/v1/devices/' || kql.url_encode(change.device_id, '-_.~') || '/evidence?tool=' || kql.url_encode(change.tool, '-_.~') END,
            'tool', CASE WHEN change.tool IS NOT NULL THEN '/v1/tools/' || kql.url_encode(change.tool, '-_.~') END,
            'run', '/v1/runs/' || change.run_id))::text
$$;
-- Most findings have no gap.
CREATE OR REPLACE FUNCTION rmm.streak_from(days int4multirange, quiet_days integer) RETURNS integer
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    IF days = range_merge(days)::int4multirange THEN
        RETURN lower(days);
    END IF;
    RETURN (SELECT max(start) FROM (
        SELECT lower(r) AS start, lower(r) - lag(upper(r)) OVER (ORDER BY r) AS gap FROM unnest(days) r) s
        WHERE gap IS NULL OR gap >= quiet_days);
END
$$;

-- 2. What states are told from, where lists look for it.
ALTER TABLE rmm.findings ADD COLUMN streak_from integer;
UPDATE rmm.findings SET streak_from = rmm.streak_from(days, (SELECT quiet_days FROM rmm.ledger));
ALTER TABLE rmm.findings ALTER COLUMN streak_from SET NOT NULL;
COMMENT ON COLUMN rmm.findings.streak_from IS 'as in rmm.device_tools, for this signal alone; kept by a trigger on days';
-- A row that is only proposed, and adds no day to the one that is there, has no streak of its own.
CREATE FUNCTION rmm.finding_streak() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.streak_from := coalesce(rmm.streak_from(NEW.days, (SELECT quiet_days FROM rmm.ledger)), 0);
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION rmm.finding_streak IS 'days come from several statements; what is told from them in one place';
CREATE TRIGGER findings_streak BEFORE INSERT OR UPDATE OF days ON rmm.findings FOR EACH ROW
    EXECUTE FUNCTION rmm.finding_streak();

ALTER TABLE rmm.devices ADD COLUMN oldest_last_seen bigint, ADD COLUMN newest_first_seen bigint, ADD COLUMN back_since integer;
UPDATE rmm.devices d
SET oldest_last_seen = t.oldest_last_seen, newest_first_seen = t.newest_first_seen, back_since = t.back_since
FROM (SELECT device, min(last_seen) AS oldest_last_seen, max(first_seen) AS newest_first_seen,
             max(streak_from) FILTER (WHERE streak_from > first_seen / 864000000000) AS back_since
      FROM rmm.device_tools GROUP BY device) t
WHERE t.device = d.device;
ALTER TABLE rmm.devices ALTER COLUMN oldest_last_seen SET NOT NULL, ALTER COLUMN newest_first_seen SET NOT NULL;
COMMENT ON COLUMN rmm.devices.oldest_last_seen IS 'the least last_seen of its tools: whether one of them is quiet';
COMMENT ON COLUMN rmm.devices.newest_first_seen IS 'the greatest first_seen of its tools: whether one of them may be new';
ALTER TABLE rmm.devices ADD COLUMN search text NOT NULL GENERATED ALWAYS AS (lower(device_name || ' ' || device_id)) STORED;
COMMENT ON COLUMN rmm.devices.search IS 'where ?q= is looked for';
COMMENT ON COLUMN rmm.devices.back_since IS 'the latest streak_from of those that came back: whether one of them may have returned; NULL: none did';

-- 3. Each order that a list can have, with what filters ask for beside it.
DROP INDEX rmm.devices_last_seen;
CREATE INDEX devices_last_seen ON rmm.devices (last_seen, device)
    INCLUDE (first_seen, tools, oldest_last_seen, newest_first_seen, back_since);
DROP INDEX rmm.devices_name;
CREATE INDEX devices_name ON rmm.devices (left(device_name, 256), device); -- a whole name may be longer than an index takes
CREATE INDEX devices_group ON rmm.devices (left(machine_group, 256), last_seen, device);
CREATE INDEX devices_tools ON rmm.devices (tools, device);
CREATE INDEX device_tools_signals ON rmm.device_tools USING gin (signals);
CREATE INDEX changes_type ON rmm.changes (type, id);
CREATE INDEX changes_tool ON rmm.changes (lower(tool), type, id);
