-- Bytes an event, indexes included: ours (the table's partitions and what the dictionaries grew by) beside the wide table
-- without its repeats and with an index on the same key. psql variables: wide (the peer's table), stored (ours), dict (bytes). Prints "ours peer".
CREATE TABLE bench.distinct_rows AS SELECT DISTINCT * FROM bench.:"wide" ORDER BY "Timestamp";
CREATE INDEX ON bench.distinct_rows ("Timestamp", "DeviceId", "ReportId");
SELECT round((SELECT sum(pg_total_relation_size(inhrelid)) + :dict FROM pg_inherits
              WHERE inhparent = ('data.' || :'stored')::regclass) / count(*), 1),
       round(pg_total_relation_size('bench.distinct_rows')::numeric / count(*), 1)
FROM bench.distinct_rows;
DROP TABLE bench.distinct_rows;
