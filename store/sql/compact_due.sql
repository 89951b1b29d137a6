-- $1 bigint: ticks without an arrival after which a day is at rest, $2 text[]: the event tables in the order of the schema.
-- Indexes to be built anew, the latest day first: index, its bytes, events of the day. Those of less than 64 KB stay, and
-- those of days that retention drops within 12 hours: a build would be for nothing, and the drop would wait for it.
WITH clock AS MATERIALIZED (
    SELECT now - $1::bigint AS quiet_since, now - events_ticks + 432000000000 AS gone_before
    FROM rmm.retention, (SELECT (extract(epoch FROM clock_timestamp()) * 10000000)::bigint + 621355968000000000 AS now) c
), resting AS MATERIALIZED (
    SELECT format('data.%I', ($2::text[])[event_table + 1] || '_' || to_char(date '0001-01-01' + day, 'YYYYMMDD')) AS name,
           day, sum(rows)::bigint AS rows
    FROM rmm.counts, clock
    GROUP BY event_table, day, quiet_since, gone_before
    HAVING max(newest_arrival) <= quiet_since AND (day + 1) * 864000000000 <= quiet_since
       AND greatest((day + 1) * 864000000000, max(archived)) > gone_before
)
SELECT i.relname, pg_relation_size(i.oid), r.rows
FROM resting r
JOIN pg_catalog.pg_index x ON x.indrelid = to_regclass(r.name) AND x.indisvalid
JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid
LEFT JOIN rmm.compacted k ON k.index_name = i.relname
-- while a transaction is older than a build would wait for, it would be for nothing
WHERE NOT EXISTS (SELECT FROM pg_stat_activity
                  WHERE datname = current_database() AND backend_xmin IS NOT NULL AND pid <> pg_backend_pid()
                    AND xact_start < clock_timestamp() - interval '60 s')
  AND (k.rows IS NULL OR r.rows > k.rows + k.rows / 10) AND pg_relation_size(i.oid) > 65536
ORDER BY r.day DESC, i.relname
