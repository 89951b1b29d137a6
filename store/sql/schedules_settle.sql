-- $1 text[]: schedules, $2 bigint[]: slots up to here are done with, $3 bigint[]: the next ones, -1: none.
UPDATE rmm.schedules s SET settled = d.settled, next_slot = nullif(d.next, -1)
FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS d (id, settled, next)
WHERE s.id = d.id
