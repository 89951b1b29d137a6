-- $1 bigint: run, $2 integer: attempt, $3 integer: seconds until it may be claimed again, 0: at once, $4 jsonb: why, or NULL.
-- Gives a run back to the queue; nothing when the attempt isn't the latest.
UPDATE rmm.runs SET state = 'queued', hunts_done = 0, error = $4::jsonb,
       lease_until = CASE WHEN $3::integer > 0 THEN clock_timestamp() + make_interval(secs => $3::integer) END
WHERE id = $1::bigint AND attempt = $2::integer AND state = 'running'
