-- $1 bigint: run. New signers and serials of tools that were known before. Serials that are new within a day, of a signer and
-- issuer that the tool had already, on three devices or more, are a rotation of the vendor's certificate: told as one as
-- soon as the third device shows it, whatever number of runs that takes, and each serial once.
WITH kept AS (
    INSERT INTO rmm.tool_facts AS f (tool, kind, key, value, of, first_seen, last_seen)
    SELECT tool, kind, rmm.fact_key(value, of) AS key, value, of, min(first_seen), max(last_seen)
    FROM rmm.ledger_facts WHERE kind IN ('signer', 'serial', 'sha1', 'account', 'domain')
    GROUP BY tool, kind, key, value, of ORDER BY tool, kind, key
    ON CONFLICT (tool, kind, key) DO UPDATE
    SET first_seen = least(f.first_seen, excluded.first_seen), last_seen = greatest(f.last_seen, excluded.last_seen)
), fresh AS (
    SELECT l.tool, l.kind, l.value, l.of, count(DISTINCT l.device) AS devices, min(l.first_seen) AS first_seen
    FROM rmm.ledger_facts l
    WHERE l.kind IN ('signer', 'serial')
      AND NOT EXISTS (SELECT FROM rmm.tool_facts k WHERE k.tool = l.tool AND k.kind = l.kind AND k.key = rmm.fact_key(l.value, l.of))
      AND EXISTS (SELECT FROM rmm.tool_facts k WHERE k.tool = l.tool)
    GROUP BY l.tool, l.kind, l.value, l.of
), touched AS (
    SELECT tool, of, min(first_seen) AS first, max(first_seen) AS last FROM rmm.ledger_facts WHERE kind = 'serial' GROUP BY tool, of
), young AS (
    SELECT tool, of, value, min(born) AS born FROM (
        SELECT k.tool, k.of, k.value, k.first_seen AS born
        FROM touched t JOIN rmm.tool_facts k ON k.tool = t.tool AND k.kind = 'serial' AND k.of = t.of
         AND k.first_seen BETWEEN t.first - 864000000000 AND t.last + 864000000000
        UNION ALL
        SELECT tool, of, value, first_seen FROM fresh WHERE kind = 'serial') s
    WHERE NOT EXISTS (SELECT FROM rmm.rotated r WHERE r.tool = s.tool AND r.key = rmm.fact_key(s.value, s.of))
    GROUP BY tool, of, value
), pair AS MATERIALIZED (
    SELECT y.tool, y.of, y.value, f.device, y.born, min(f.first_seen) AS first_seen
    FROM young y JOIN rmm.facts f ON f.tool = y.tool AND f.kind = 'serial' AND f.key = rmm.fact_key(y.value, y.of)
    GROUP BY y.tool, y.of, y.value, y.born, f.device
), start AS ( -- a start a minute is enough, however many serials there are
    SELECT s.tool, s.of, s.born
    FROM (SELECT DISTINCT ON (tool, of, born / 600000000) tool, of, born FROM young ORDER BY tool, of, born / 600000000, born) s
    WHERE EXISTS (SELECT FROM rmm.tool_facts k WHERE k.tool = s.tool AND k.kind = 'serial' AND k.of = s.of AND k.first_seen < s.born)
      AND (SELECT count(DISTINCT device) FROM pair p WHERE p.tool = s.tool AND p.of = s.of AND p.born >= s.born
             AND p.first_seen <= s.born + 864000000000) >= 3
), rotation AS MATERIALIZED (
    SELECT p.* FROM pair p
    WHERE EXISTS (SELECT FROM start s WHERE s.tool = p.tool AND s.of = p.of AND p.born BETWEEN s.born AND s.born + 864000000000)
), marked AS (
    INSERT INTO rmm.rotated (tool, key) SELECT DISTINCT tool, rmm.fact_key(value, of) FROM rotation ON CONFLICT DO NOTHING
), change AS (
    SELECT 1 AS rank, 'new_' || kind AS type, tool,
           jsonb_build_object(kind, value, 'first_seen', kql.ticks_text(first_seen), 'devices', devices)
           || CASE kind WHEN 'serial' THEN jsonb_build_object('signer', split_part(of, E'\n', 1), 'issuer', split_part(of, E'\n', 2))
              ELSE '{}' END AS detail
    FROM fresh f
    WHERE kind = 'signer' OR NOT EXISTS (SELECT FROM rotation r WHERE r.tool = f.tool AND r.of = f.of AND r.value = f.value)
    UNION ALL
    SELECT 2, 'certificate_rotation', tool,
           jsonb_build_object('signer', split_part(of, E'\n', 1), 'issuer', split_part(of, E'\n', 2),
                              'serials', jsonb_agg(DISTINCT value ORDER BY value), 'devices', count(DISTINCT device),
                              'first_seen', kql.ticks_text(min(first_seen)))
    FROM rotation GROUP BY tool, of
)
INSERT INTO rmm.changes (type, tool, run_id, detail)
SELECT type, tool, $1::bigint, detail FROM change ORDER BY rank, tool, type, detail::text
