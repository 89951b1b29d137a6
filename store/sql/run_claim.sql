-- $1 bigint: only this run, or NULL. Takes the next run that nobody holds, under a lease and a new attempt number; no row
-- when there is none.
UPDATE rmm.runs SET state = 'running', attempt = attempt + 1, hunts_done = 0,
       lease_until = clock_timestamp() + interval '15 seconds', started_at = coalesce(started_at, clock_timestamp())
WHERE id = (
    SELECT id FROM rmm.runs
    WHERE state IN ('queued', 'running') AND (lease_until IS NULL OR lease_until < clock_timestamp())
      AND attempt < 5 AND NOT cancel_requested AND ($1::bigint IS NULL OR id = $1::bigint)
    ORDER BY id LIMIT 1
    FOR UPDATE SKIP LOCKED)
RETURNING id, attempt, as_of, coalesce(window_from, -1), coalesce(window_to, -1)
