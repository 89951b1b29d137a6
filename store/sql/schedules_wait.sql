-- Milliseconds until the next schedule comes due, 0: there is one; those that wait for their own slot under way don't count.
-- No row: none will.
(SELECT 0::bigint FROM rmm.schedules s
 WHERE enabled AND next_slot IS NULL AND NOT EXISTS (SELECT FROM rmm.slots o WHERE o.schedule_id = s.id AND o.finished_at IS NULL)
 LIMIT 1)
UNION ALL
(SELECT greatest(0, ceil((next_slot - rmm.ticks(clock_timestamp())) / 10000.0))::bigint FROM rmm.schedules s
 WHERE enabled AND next_slot IS NOT NULL
   AND NOT EXISTS (SELECT FROM rmm.slots o WHERE o.schedule_id = s.id AND o.finished_at IS NULL)
 ORDER BY next_slot LIMIT 1)
LIMIT 1
