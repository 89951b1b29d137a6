-- $1 bigint: run, $2 text: hunt, $3 text: state, $4 text: body or NULL, $5 text: etag or NULL, $6 jsonb: error or NULL.
-- No row when the run was cancelled. The commit needs no flush of its own: that of the run's end flushes all before it.
WITH quiet AS MATERIALIZED (
    SELECT set_config('synchronous_commit', 'off', true) AS value
), saved AS (
    UPDATE rmm.results SET state = $3::text, body = $4::text, etag = $5::text, error = $6::jsonb,
           finished_at = clock_timestamp()
    WHERE run_id = $1::bigint AND hunt_id = $2::text
)
UPDATE rmm.runs SET hunts_done = hunts_done + 1 FROM quiet
WHERE id = $1::bigint AND NOT cancel_requested AND quiet.value = 'off'
RETURNING hunts_done
