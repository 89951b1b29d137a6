-- $1 bigint: run, $2 text: state, $3 jsonb: error or NULL, $4 integer: hunts done. In the transaction that holds the run.
UPDATE rmm.runs SET state = CASE WHEN cancel_requested THEN 'cancelled' ELSE $2::text END, error = $3::jsonb,
       hunts_done = $4::integer, lease_until = NULL, finished_at = clock_timestamp()
WHERE id = $1::bigint
