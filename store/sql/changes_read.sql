-- $1 bigint: behind this change, $2 text[]: types or NULL, $3 text: tool or NULL, $4 integer: limit. The newest change's id,
-- the oldest one's that is kept (without any: the next one's), then a change: its id and JSON; one row with NULLs when there is none.
SELECT e.newest, e.oldest, (c.change).id, rmm.change_json(c.change)
FROM (SELECT coalesce(max(id), 0) AS newest, coalesce(min(id), pg_sequence_last_value('rmm.changes_id_seq') + 1, 0) AS oldest FROM rmm.changes) e
LEFT JOIN LATERAL (SELECT x AS change FROM rmm.changes x WHERE x.id > $1::bigint AND ($2::text[] IS NULL OR x.type = ANY($2::text[]))
                   AND ($3::text IS NULL OR lower(x.tool) = lower($3::text)) ORDER BY x.id LIMIT $4::integer) c ON true
ORDER BY (c.change).id
