-- $1 bigint: dead letter. Its bytes as hex, and its table.
SELECT encode(raw, 'hex'), event_table FROM rmm.dead_letters WHERE id = $1::bigint
