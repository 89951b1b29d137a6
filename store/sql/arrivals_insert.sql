-- $1 bigint: batch, $2 smallint: table, $3 bigint: time of the commit in ticks, then arrays, an element a day and group:
-- $4 integer[]: days, $5 text[]: groups, $6 bigint[]: rows, $7 bigint[], $8 bigint[]: of them over an hour and over a
-- day late, $9 bigint[]: largest delays, $10 bigint[]: newest event times.
INSERT INTO rmm.arrivals (batch, event_table, day, machine_group, rows, late_hour, late_day, largest_delay, newest_event,
                          arrived, archive)
SELECT $1::bigint, $2::smallint, day, machine_group, sum(rows), sum(late_hour), sum(late_day), max(delay), max(newest),
       $3::bigint, (day + 1) * 864000000000 <= $3::bigint - (SELECT events_ticks FROM rmm.retention)
FROM unnest($4::integer[], $5::text[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[])
     AS u (day, machine_group, rows, late_hour, late_day, delay, newest)
GROUP BY day, machine_group
