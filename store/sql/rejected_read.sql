-- $1 bigint: dead letter. The whole letter as JSON.
SELECT rmm.letter_json(d, 2147483647)::text FROM rmm.dead_letters d WHERE id = $1::bigint
