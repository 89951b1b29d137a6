-- What is left of a REINDEX CONCURRENTLY that did not come to its end: indexes of event tables that nothing reads.
SELECT i.relname
FROM pg_catalog.pg_index x
JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid
WHERE NOT x.indisvalid AND i.relkind = 'i' AND i.relnamespace = to_regnamespace('data') AND i.relname ~ '_cc(new|old)[0-9]*$'
