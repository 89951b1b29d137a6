-- $1 bigint: run, $2 text: state, $3 jsonb: error or NULL.
UPDATE rmm.runs SET state = CASE WHEN cancel_requested THEN 'cancelled' ELSE $2::text END, error = $3::jsonb,
       finished_at = clock_timestamp()
WHERE id = $1::bigint AND state IN ('queued', 'running')
