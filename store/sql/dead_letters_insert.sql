-- $1 text[]: codes, $2 text[]: messages, $3 text[]: tables, $4 bytea[]: headers of CSV ('': JSON), $5 text[]: time zones,
-- $6 bytea[]: the records as they came. Ids in the same order: a record that was there already, or comes twice here,
-- gives its letter's. Letters are written in the order of their digests, so that writers at once don't deadlock.
WITH sent AS MATERIALIZED (
    SELECT u.*, sha256(convert_to(event_table, 'UTF8') || '\x0a'::bytea || header || '\x0a'::bytea || raw) AS digest
    FROM unnest($1::text[], $2::text[], $3::text[], $4::bytea[], $5::text[], $6::bytea[])
        WITH ORDINALITY AS u (code, message, event_table, header, zone, raw, n)
), letters AS (
    INSERT INTO rmm.dead_letters AS old (code, message, event_table, csv_header, csv_zone, raw, digest, seen)
    SELECT DISTINCT ON (digest) code, message, nullif(event_table, ''), nullif(header, ''), nullif(zone, ''), raw, digest,
           count(*) OVER (PARTITION BY digest)
    FROM sent ORDER BY digest, n
    ON CONFLICT (digest) DO UPDATE SET seen = old.seen + excluded.seen, last_seen_at = clock_timestamp(),
        code = excluded.code, message = excluded.message, csv_zone = excluded.csv_zone
    RETURNING id, digest
)
SELECT id FROM sent JOIN letters USING (digest) ORDER BY n
