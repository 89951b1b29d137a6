-- Bytes an event, indexes included: ours (the table's partitions and what the dictionaries grew by) beside the wide table
-- that keeps repeats out the same way: a unique index on the same key, filled in the order in which the rows arrived.
-- psql variables: wide (the peer's table), stored (ours), events (in it), rows (the most that the peer's is filled with),
-- dict (bytes). Prints "ours peer".
CREATE TABLE bench.deduplicated (LIKE bench.:"wide", digest bigint NOT NULL);
CREATE UNIQUE INDEX ON bench.deduplicated ("Timestamp", "DeviceId", "ReportId", digest) NULLS NOT DISTINCT;
INSERT INTO bench.deduplicated SELECT w.*, hashtextextended(w::text, 0) FROM bench.:"wide" w ORDER BY w.ctid LIMIT :rows
ON CONFLICT DO NOTHING;
SELECT round((SELECT sum(pg_total_relation_size(inhrelid)) + :dict FROM pg_inherits
              WHERE inhparent = ('data.' || :'stored')::regclass) / :events, 1),
       round(pg_total_relation_size('bench.deduplicated')::numeric / count(*), 1)
FROM bench.deduplicated;
DROP TABLE bench.deduplicated;
