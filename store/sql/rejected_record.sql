-- $1 bigint: dead letter. What trying it again takes: its bytes as hex, behind its CSV header where it has one; its
-- table; whether it is CSV; the zone.
SELECT encode(coalesce(csv_header || '\x0a'::bytea, '') || raw, 'hex'), event_table, (csv_header IS NOT NULL)::integer, csv_zone
FROM rmm.dead_letters WHERE id = $1::bigint
