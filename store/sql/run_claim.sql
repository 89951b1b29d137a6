-- $1 bigint: only this run, or NULL; $2 text: application_name of the process that claims. Takes the next run that nobody
-- holds, under a lease and a new attempt number; no row when there is none. A process that is gone shows before its lease is
-- over: it has no session any more, and has missed a heartbeat. It needn't wait for the disk: a crash that takes it back
-- leaves the run where it was, for the next who claims it.
WITH setting AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true))
UPDATE rmm.runs SET state = 'running', attempt = attempt + 1, hunts_done = 0, holder = $2::text,
       lease_until = clock_timestamp() + interval '5 seconds', started_at = coalesce(started_at, clock_timestamp())
WHERE (SELECT true FROM setting) AND id = (
    SELECT id FROM rmm.runs r
    WHERE state IN ('queued', 'running')
      AND (lease_until IS NULL OR lease_until < clock_timestamp()
           OR (lease_until < clock_timestamp() + interval '3.2 seconds' AND state = 'running'
               AND NOT EXISTS (SELECT FROM pg_stat_activity a WHERE a.application_name = r.holder)))
      AND attempt < 10 AND NOT cancel_requested AND ($1::bigint IS NULL OR id = $1::bigint)
    ORDER BY id LIMIT 1
    FOR UPDATE SKIP LOCKED)
RETURNING id, attempt, as_of, coalesce(window_from, -1), coalesce(window_to, -1)
