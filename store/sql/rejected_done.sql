-- $1 bigint: dead letter, $2 text: its new state ('stored' or 'rejected').
UPDATE rmm.dead_letters SET state = $2::text, retried_at = clock_timestamp() WHERE id = $1::bigint
