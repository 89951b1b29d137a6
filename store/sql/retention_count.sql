-- $1 integer: at most that many. Adds the counts of commits to those of days.
WITH moved AS (
    DELETE FROM rmm.arrivals
    WHERE ctid = ANY (ARRAY(SELECT ctid FROM rmm.arrivals LIMIT $1::integer FOR UPDATE SKIP LOCKED))
    RETURNING *
), summed AS (
    INSERT INTO rmm.days AS d
    SELECT event_table, day, machine_group, sum(rows), sum(late_hour), sum(late_day), max(largest_delay),
           max(newest_event), max(arrived), max(arrived) FILTER (WHERE archive)
    FROM moved GROUP BY event_table, day, machine_group ORDER BY 1, 2, 3
    ON CONFLICT (event_table, day, machine_group) DO UPDATE SET rows = d.rows + excluded.rows,
        late_hour = d.late_hour + excluded.late_hour, late_day = d.late_day + excluded.late_day,
        largest_delay = greatest(d.largest_delay, excluded.largest_delay),
        newest_event = greatest(d.newest_event, excluded.newest_event),
        newest_arrival = greatest(d.newest_arrival, excluded.newest_arrival),
        archived = greatest(d.archived, excluded.archived)
)
SELECT count(*) FROM moved
