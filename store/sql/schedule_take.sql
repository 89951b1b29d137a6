-- Locks a schedule that came due and has no slot under way; columns as in schedule_load. No row when there is none.
SELECT id, name, cron, time_zone, every, look_back, selection, enabled, catch_up, catch_up_limit, settled,
       rmm.ticks(clock_timestamp())
FROM rmm.schedules s
WHERE enabled AND (next_slot IS NULL OR next_slot <= rmm.ticks(clock_timestamp()))
  AND NOT EXISTS (SELECT FROM rmm.slots o WHERE o.schedule_id = s.id AND o.finished_at IS NULL)
ORDER BY next_slot NULLS FIRST LIMIT 1
FOR UPDATE OF s SKIP LOCKED
