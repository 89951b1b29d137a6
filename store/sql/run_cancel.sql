-- $1 bigint: run. The state it has now; no row when there is none. The slot of one that waited ends with it.
WITH asked AS (
    UPDATE rmm.runs SET cancel_requested = true,
           state = CASE state WHEN 'queued' THEN 'cancelled' ELSE state END,
           finished_at = CASE state WHEN 'queued' THEN clock_timestamp() ELSE finished_at END
    WHERE id = $1::bigint
    RETURNING id, state, finished_at
), slot AS (
    UPDATE rmm.slots s SET state = asked.state, finished_at = asked.finished_at
    FROM asked WHERE s.run_id = asked.id AND s.finished_at IS NULL AND asked.state = 'cancelled'
)
SELECT state FROM asked
