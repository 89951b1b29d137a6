-- $1 bigint: run, $2 integer: attempt. Locks the run until the transaction's end; no row when the attempt isn't the latest.
SELECT id FROM rmm.runs WHERE id = $1::bigint AND attempt = $2::integer AND state = 'running' FOR UPDATE
