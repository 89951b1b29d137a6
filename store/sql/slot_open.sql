-- $1 text: schedule, $2 bigint: slot, $3 bigint: its run, $4 boolean: by hand. No row when the slot was taken already, or
-- another one of the schedule is under way.
INSERT INTO rmm.slots (schedule_id, slot, state, run_id, by_hand)
VALUES ($1::text, $2::bigint, 'queued', $3::bigint, $4::boolean)
ON CONFLICT DO NOTHING
RETURNING slot
