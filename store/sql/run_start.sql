-- $1 bigint: run. Takes a queued run; no row when it isn't queued any more.
UPDATE rmm.runs SET state = 'running', started_at = clock_timestamp()
WHERE id = $1::bigint AND state = 'queued'
RETURNING as_of, coalesce(window_from, -1), coalesce(window_to, -1)
