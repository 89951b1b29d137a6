-- $1 bigint: run, $2 text: hunt, $3 text: state, $4 text: body or NULL, $5 text: etag or NULL, $6 jsonb: error or NULL.
-- In the transaction that holds the run.
UPDATE rmm.results SET state = $3::text, body = $4::text, etag = $5::text, error = $6::jsonb,
       finished_at = clock_timestamp()
WHERE run_id = $1::bigint AND hunt_id = $2::text
