-- $1 text: id, $2 text: name, $3 text: cron or NULL, $4 text: time zone or NULL, $5 text: every or NULL, $6 text: window or
-- NULL, $7 jsonb: selection, $8 boolean: enabled, $9 text: catch_up, $10 integer: catch_up_limit, $11 boolean: a new one
-- only. Where it goes on from, the time, whether it is new, whether this pauses it; no row when it is there and shouldn't be.
-- Other times, or being enabled again, let it go on from now.
WITH old AS (
    SELECT enabled FROM rmm.schedules WHERE id = $1::text
)
INSERT INTO rmm.schedules AS s (id, name, cron, time_zone, every, look_back, selection, enabled, catch_up, catch_up_limit)
VALUES ($1::text, $2::text, $3::text, $4::text, $5::text, $6::text, $7::jsonb, $8::boolean, $9::text, $10::integer)
ON CONFLICT (id) DO UPDATE SET
    name = excluded.name, cron = excluded.cron, time_zone = excluded.time_zone, every = excluded.every,
    look_back = excluded.look_back, selection = excluded.selection, enabled = excluded.enabled,
    catch_up = excluded.catch_up, catch_up_limit = excluded.catch_up_limit, updated_at = clock_timestamp(),
    settled = CASE WHEN (s.cron, s.time_zone, s.every) IS DISTINCT FROM (excluded.cron, excluded.time_zone, excluded.every)
                     OR (excluded.enabled AND NOT s.enabled)
                   THEN greatest(s.settled, excluded.settled) ELSE s.settled END
WHERE NOT $11::boolean
RETURNING settled, rmm.ticks(clock_timestamp()), xmax = 0, coalesce((SELECT o.enabled FROM old o), false) AND NOT enabled
