-- $1 bigint: run, $2 text: state, $3 jsonb: error or NULL, $4 integer: hunts done, whether or not their results were kept, $5 bigint, $6 bigint: between
-- which times in ticks they looked, NULL: open. In the transaction that holds the run;
-- the slot that the run belongs to ends with it.
WITH finished AS (
    UPDATE rmm.runs SET state = CASE WHEN cancel_requested THEN 'cancelled' ELSE $2::text END, error = $3::jsonb,
           hunts_done = $4::integer, looked_from = $5::bigint, looked_to = $6::bigint, lease_until = NULL, finished_at = clock_timestamp()
    WHERE id = $1::bigint
    RETURNING id, state, finished_at
)
UPDATE rmm.slots s SET state = finished.state, finished_at = finished.finished_at
FROM finished WHERE s.run_id = finished.id
