-- $1 text: state, $2 text: code (NULL: any), $3 bigint: below this id, $4 integer: limit. Dead letters, newest first.
SELECT id, json_build_object('id', id::text, 'received_at', kql.time_text(received_at), 'code', code, 'message', message,
           'table', event_table, 'state', state, 'retried_at', kql.time_text(retried_at), 'bytes', length(raw),
           'record', convert_from(decode(replace(encode(substring(raw FOR 4096), 'hex'), '00', '3f'), 'hex'), 'LATIN1'))::text
FROM rmm.dead_letters
WHERE state = coalesce($1::text, 'rejected') AND ($2::text IS NULL OR code = $2::text) AND id < $3::bigint
ORDER BY id DESC LIMIT $4::integer
