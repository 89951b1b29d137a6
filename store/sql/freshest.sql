-- Newest event and newest arrival of all tables, in ticks; NULL: no event is kept.
SELECT greatest((SELECT max(newest_event) FROM rmm.days), (SELECT max(newest_event) FROM rmm.arrivals)),
       greatest((SELECT max(newest_arrival) FROM rmm.days), (SELECT max(arrived) FROM rmm.arrivals))
