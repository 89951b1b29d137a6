-- $1 bigint: run. No row when there is none; the state it had.
UPDATE rmm.runs SET cancel_requested = true,
       state = CASE state WHEN 'queued' THEN 'cancelled' ELSE state END,
       finished_at = CASE state WHEN 'queued' THEN clock_timestamp() ELSE finished_at END
WHERE id = $1::bigint
RETURNING state
