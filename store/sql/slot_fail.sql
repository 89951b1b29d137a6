-- $1 text: schedule, $2 bigint: slot, $3 jsonb: why. A slot for which no run could be made.
INSERT INTO rmm.slots (schedule_id, slot, state, error, finished_at)
VALUES ($1::text, $2::bigint, 'failed', $3::jsonb, clock_timestamp())
ON CONFLICT DO NOTHING
