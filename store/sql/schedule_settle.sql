-- $1 text: schedule, $2 bigint: slots up to here are done with, $3 bigint: the next one or NULL.
UPDATE rmm.schedules SET settled = $2::bigint, next_slot = $3::bigint WHERE id = $1::text
