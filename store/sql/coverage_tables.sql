-- $1 integer: first day. Tables that have events since.
SELECT DISTINCT event_table FROM rmm.counts WHERE day >= $1::integer
