-- $1 text: index, $2 bigint: events of its day before it was built anew. Its bytes now.
INSERT INTO rmm.compacted AS k (index_name, rows) VALUES ($1::text, $2::bigint)
ON CONFLICT (index_name) DO UPDATE SET rows = excluded.rows, compacted_at = excluded.compacted_at
RETURNING pg_relation_size(to_regclass(format('data.%I', index_name)))
