-- $1 text: schedule. What schedule_read wants; no row when there is none.
SELECT id, name, cron, time_zone, every, look_back, selection, enabled, catch_up, catch_up_limit, settled,
       rmm.ticks(clock_timestamp())
FROM rmm.schedules WHERE id = $1::text
