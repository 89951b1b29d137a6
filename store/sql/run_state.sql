-- $1 bigint: run. Its bare state, for those who wait for it.
SELECT state FROM rmm.runs WHERE id = $1::bigint
