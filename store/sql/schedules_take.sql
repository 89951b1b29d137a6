-- $1 integer: limit. Locks schedules that came due and have no slot under way; columns as in schedule_load, the time the same
-- in all rows. The lock lets slots refer to them, so that one made by hand meanwhile doesn't wait.
WITH clock AS MATERIALIZED (
    SELECT rmm.ticks(clock_timestamp()) AS now
)
SELECT id, name, cron, time_zone, every, look_back, selection, enabled, catch_up, catch_up_limit, settled, clock.now
FROM clock, rmm.schedules s
WHERE enabled AND (next_slot IS NULL OR next_slot <= clock.now)
  AND NOT EXISTS (SELECT FROM rmm.slots o WHERE o.schedule_id = s.id AND o.finished_at IS NULL)
ORDER BY next_slot NULLS FIRST LIMIT $1::integer
FOR NO KEY UPDATE OF s SKIP LOCKED
