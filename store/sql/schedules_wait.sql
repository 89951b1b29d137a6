-- Milliseconds until the next schedule comes due; those that wait for their own slot under way don't count. NULL: none will.
SELECT greatest(0, ceil((min(next_slot) - rmm.ticks(clock_timestamp())) / 10000.0))::bigint
FROM rmm.schedules s
WHERE enabled AND NOT EXISTS (SELECT FROM rmm.slots o WHERE o.schedule_id = s.id AND o.finished_at IS NULL)
