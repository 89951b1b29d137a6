-- $1 text: schedule, $2 bigint[]: slots that were missed and are not caught up.
INSERT INTO rmm.slots (schedule_id, slot, state, finished_at)
SELECT $1::text, slot, 'skipped', clock_timestamp() FROM unnest($2::bigint[]) AS slot
ON CONFLICT DO NOTHING
