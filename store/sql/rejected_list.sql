-- $1 text: state, $2 text: code (NULL: any), $3 bigint: below this id, $4 integer: limit. Dead letters, newest first.
SELECT id, rmm.letter_json(d, 4096)::text FROM rmm.dead_letters d
WHERE state = $1::text AND ($2::text IS NULL OR code = $2::text) AND id < $3::bigint
ORDER BY id DESC LIMIT $4::integer
