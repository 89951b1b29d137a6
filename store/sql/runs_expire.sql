-- Ends the runs, and their slots, that nobody holds and nobody may claim: cancelled ones, and those that too many attempts
-- left unfinished.
WITH expired AS (
    UPDATE rmm.runs SET finished_at = clock_timestamp(), lease_until = NULL,
           state = CASE WHEN cancel_requested THEN 'cancelled' ELSE 'failed' END,
           error = CASE WHEN cancel_requested THEN error
                        ELSE jsonb_build_object('code', 'interrupted', 'message', 'given up after ' || attempt ||
                             ' attempts, each of which a stop, a crash or the database cut short' ||
                             coalesce('; the last said: ' || (error ->> 'message'), '')) END
    WHERE id IN (
        SELECT id FROM rmm.runs
        WHERE state IN ('queued', 'running') AND (lease_until IS NULL OR lease_until < clock_timestamp())
          AND (attempt >= 10 OR cancel_requested)
        FOR UPDATE SKIP LOCKED)
    RETURNING id, state, finished_at
)
UPDATE rmm.slots s SET state = expired.state, finished_at = expired.finished_at
FROM expired WHERE s.run_id = expired.id
