-- $1 bigint: run, $2 integer: attempt. Locks the run until the transaction's end: whether it is to be cancelled; no row when
-- the attempt isn't the latest.
SELECT cancel_requested FROM rmm.runs WHERE id = $1::bigint AND attempt = $2::integer AND state = 'running' FOR UPDATE
