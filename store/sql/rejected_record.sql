-- $1 bigint: dead letter. What trying it again takes: its bytes as hex, as a line behind its CSV header where it has one;
-- its table; whether it is CSV; the zone.
SELECT encode(CASE WHEN csv_header IS NULL THEN raw ELSE csv_header || '\x0d0a'::bytea || raw || '\x0d0a'::bytea END, 'hex'),
       event_table, (csv_header IS NOT NULL)::integer, csv_zone
FROM rmm.dead_letters WHERE id = $1::bigint
