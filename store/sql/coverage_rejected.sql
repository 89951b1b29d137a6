-- Dead letters that were not stored later, by table ('' when the record names none we know) and code.
SELECT coalesce(event_table, ''), code, count(*) FROM rmm.dead_letters WHERE state = 'rejected' GROUP BY 1, 2 ORDER BY 1, 2
