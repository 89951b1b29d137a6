-- $1 bigint[]: runs, $2 integer[]: their attempts, $3 integer[]: hunts done. Renews the leases and tells the progress. The
-- runs that are still held so, and whether they are to be cancelled.
UPDATE rmm.runs r SET lease_until = clock_timestamp() + interval '5 seconds', hunts_done = held.done
FROM unnest($1::bigint[], $2::integer[], $3::integer[]) AS held (id, attempt, done)
WHERE r.id = held.id AND r.attempt = held.attempt AND r.state = 'running'
RETURNING r.id, r.cancel_requested
