-- $1 bigint: how long events are kept, in ticks; $2 text: event table, $3 integer: day (NULL: all). Day partitions to
-- drop, oldest first: table, day. The whole day is older, and what came when it was so already has been kept as long
-- again. $4 text[]: the event tables in the order of the schema. Partitions are listed, not counts, so that none is missed.
WITH clock AS MATERIALIZED (
    SELECT (extract(epoch FROM clock_timestamp()) * 10000000)::bigint + 621355968000000000 - $1::bigint AS keep_from
), partitions AS MATERIALIZED (
    SELECT parent.relname::text AS event_table, to_date(right(child.relname, 8), 'YYYYMMDD') - date '0001-01-01' AS day
    FROM pg_catalog.pg_inherits i
    JOIN pg_catalog.pg_class parent ON parent.oid = i.inhparent AND parent.relkind = 'p'
    JOIN pg_catalog.pg_class child ON child.oid = i.inhrelid
    WHERE parent.relnamespace = to_regnamespace('data') AND child.relname ~ '_[0-9]{8}$'
      AND ($2::text IS NULL OR parent.relname = $2::text)
)
SELECT p.event_table, p.day
FROM partitions p, clock
WHERE ($3::integer IS NULL OR p.day = $3::integer) AND (p.day + 1) * 864000000000 <= clock.keep_from
  AND NOT EXISTS (SELECT FROM rmm.counts c
                  WHERE c.event_table = array_position($4::text[], p.event_table) - 1 AND c.day = p.day
                    AND c.archived > clock.keep_from)
ORDER BY p.day, p.event_table
