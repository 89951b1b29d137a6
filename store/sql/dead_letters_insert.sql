-- $1 text[]: codes, $2 text[]: messages, $3 text[]: tables, $4 bytea[]: the records as they came. Ids in the same order.
INSERT INTO rmm.dead_letters (code, message, event_table, raw)
SELECT code, message, nullif(event_table, ''), raw
FROM unnest($1::text[], $2::text[], $3::text[], $4::bytea[]) WITH ORDINALITY AS u (code, message, event_table, raw, n)
ORDER BY n
RETURNING id
