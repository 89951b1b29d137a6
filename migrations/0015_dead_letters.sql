-- One letter a bad record, however often it is sent; CSV rows keep what reading them again takes.
ALTER TABLE rmm.dead_letters ADD COLUMN csv_header bytea;
ALTER TABLE rmm.dead_letters ADD COLUMN csv_zone text;
ALTER TABLE rmm.dead_letters ADD COLUMN seen bigint NOT NULL DEFAULT 1;
ALTER TABLE rmm.dead_letters ADD COLUMN last_seen_at timestamptz;
ALTER TABLE rmm.dead_letters ADD COLUMN digest bytea;
UPDATE rmm.dead_letters SET last_seen_at = received_at,
    digest = sha256(convert_to(coalesce(event_table, ''), 'UTF8') || '\x0a'::bytea || '\x0a'::bytea || raw);
WITH repeats AS (
    SELECT min(id) AS kept, digest, count(*) AS seen, max(received_at) AS last_seen_at
    FROM rmm.dead_letters GROUP BY digest HAVING count(*) > 1
), dropped AS (
    DELETE FROM rmm.dead_letters d USING repeats r WHERE d.digest = r.digest AND d.id <> r.kept
)
UPDATE rmm.dead_letters d SET seen = r.seen, last_seen_at = r.last_seen_at FROM repeats r WHERE d.id = r.kept;
ALTER TABLE rmm.dead_letters ALTER COLUMN last_seen_at SET NOT NULL;
ALTER TABLE rmm.dead_letters ALTER COLUMN last_seen_at SET DEFAULT clock_timestamp();
ALTER TABLE rmm.dead_letters ALTER COLUMN digest SET NOT NULL;
CREATE UNIQUE INDEX dead_letters_digest ON rmm.dead_letters (digest);
COMMENT ON COLUMN rmm.dead_letters.event_table IS 'Kusto''s table name: the record''s own, else the path''s; NULL: none';
COMMENT ON COLUMN rmm.dead_letters.csv_header IS 'the header line of the CSV that the row came in; NULL: JSON';
COMMENT ON COLUMN rmm.dead_letters.csv_zone IS 'the time zone that was given for its columns in local time';
COMMENT ON COLUMN rmm.dead_letters.seen IS 'how often the record came';
COMMENT ON COLUMN rmm.dead_letters.digest IS 'of table, header and bytes: the same record again is the same letter';
COMMENT ON COLUMN rmm.dead_letters.state IS 'rejected, or what trying again made of it: stored, ignored';

CREATE FUNCTION rmm.utf8_text(bytes bytea) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
    RETURN convert_from(bytes, 'UTF8');
EXCEPTION WHEN character_not_in_repertoire OR untranslatable_character THEN
    RETURN NULL;
END $$;
COMMENT ON FUNCTION rmm.utf8_text IS 'bytes as text; NULL when they are not UTF-8 or hold a NUL';

-- The first `most` bytes, fewer when that would cut a character in two.
CREATE FUNCTION rmm.bytes_start(bytes bytea, most integer) RETURNS bytea LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT CASE WHEN length(bytes) <= most THEN bytes ELSE substring(bytes FOR coalesce(
        (SELECT max(n) FROM generate_series(greatest(most - 3, 0), most) n WHERE get_byte(bytes, n) & 192 <> 128), most)) END
$$;
COMMENT ON FUNCTION rmm.bytes_start IS 'the start of UTF-8 bytes without half a character at its end';

CREATE FUNCTION rmm.letter_json(letter rmm.dead_letters, most integer) RETURNS json LANGUAGE sql STABLE AS $$
    SELECT json_build_object('id', letter.id::text, 'received_at', kql.time_text(letter.received_at),
        'last_seen_at', kql.time_text(letter.last_seen_at), 'seen', letter.seen, 'code', letter.code,
        'message', letter.message, 'table', letter.event_table, 'state', letter.state,
        'retried_at', kql.time_text(letter.retried_at), 'csv_header', rmm.utf8_text(letter.csv_header),
        'bytes', length(letter.raw), 'record', shown.text, 'record_base64', CASE WHEN shown.text IS NULL THEN
            translate(encode(shown.bytes, 'base64'), E'\n', '') END, 'truncated', length(shown.bytes) < length(letter.raw))
    FROM (SELECT start.bytes, rmm.utf8_text(start.bytes) AS text
          FROM (SELECT rmm.bytes_start(letter.raw, most) AS bytes) AS start) AS shown
$$;
COMMENT ON FUNCTION rmm.letter_json IS 'a dead letter as the API shows it, with at most so many bytes of its record';
