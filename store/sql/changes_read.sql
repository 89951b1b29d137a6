-- $1 bigint: behind this change, $2 text[]: types or NULL, $3 text: tool or NULL, then with types, $4 integer: limit. The newest
-- change's id, the oldest one's that is kept (without any: the next one's), then a change: its id and JSON; one row with NULLs
-- when there is none. Each type is an index's own stretch, so that none is passed over for another.
WITH page AS (
    SELECT id FROM (
        (SELECT id FROM rmm.changes WHERE $2::text[] IS NULL AND id > $1::bigint ORDER BY id LIMIT $4::integer)
        UNION ALL
        SELECT c.id FROM (SELECT DISTINCT unnest($2::text[]) AS type) t CROSS JOIN LATERAL (
            SELECT x.id FROM rmm.changes x WHERE $3::text IS NULL AND x.type = t.type AND x.id > $1::bigint
            ORDER BY x.id LIMIT $4::integer) c
        UNION ALL
        SELECT c.id FROM (SELECT DISTINCT unnest($2::text[]) AS type) t CROSS JOIN LATERAL (
            SELECT x.id FROM rmm.changes x WHERE lower(x.tool) = lower($3::text) AND x.type = t.type AND x.id > $1::bigint
            ORDER BY x.id LIMIT $4::integer) c
    ) found ORDER BY id LIMIT $4::integer
)
SELECT e.newest, e.oldest, c.id, rmm.change_json(c)
FROM (SELECT coalesce(max(id), 0) AS newest, coalesce(min(id), pg_sequence_last_value('rmm.changes_id_seq') + 1, 0) AS oldest FROM rmm.changes) e
LEFT JOIN (page p JOIN rmm.changes c ON c.id = p.id) ON true
ORDER BY c.id
