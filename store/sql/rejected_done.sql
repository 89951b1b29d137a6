-- $1 bigint: dead letter, $2 text: what trying it again made of it: stored, ignored, or still rejected.
UPDATE rmm.dead_letters SET state = CASE WHEN $2::text = 'rejected' THEN state ELSE $2::text END, retried_at = clock_timestamp()
WHERE id = $1::bigint
