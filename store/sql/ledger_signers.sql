-- $1 bigint: run. New signers and serials of tools that were known before. New serials of a signer and issuer that the tool
-- had already, on three devices or more within a day, are a rotation of the vendor's certificate: told as one.
WITH kept AS (
    INSERT INTO rmm.tool_facts AS f (tool, kind, key, value, of, first_seen, last_seen)
    SELECT tool, kind, rmm.fact_key(value, of) AS key, value, of, min(first_seen), max(last_seen)
    FROM rmm.ledger_facts WHERE kind IN ('signer', 'serial', 'sha1', 'account', 'domain')
    GROUP BY tool, kind, key, value, of ORDER BY tool, kind, key
    ON CONFLICT (tool, kind, key) DO UPDATE
    SET first_seen = least(f.first_seen, excluded.first_seen), last_seen = greatest(f.last_seen, excluded.last_seen)
), fresh AS (
    SELECT l.tool, l.kind, l.value, l.of, l.device, min(l.first_seen) AS first_seen
    FROM rmm.ledger_facts l
    WHERE l.kind IN ('signer', 'serial')
      AND NOT EXISTS (SELECT FROM rmm.tool_facts k WHERE k.tool = l.tool AND k.kind = l.kind AND k.key = rmm.fact_key(l.value, l.of))
      AND EXISTS (SELECT FROM rmm.tool_facts k WHERE k.tool = l.tool)
    GROUP BY l.tool, l.kind, l.value, l.of, l.device
), near AS (
    SELECT tool, of, count(*) OVER (PARTITION BY tool, of ORDER BY first_seen RANGE BETWEEN CURRENT ROW AND 864000000000 FOLLOWING) AS devices
    FROM (SELECT tool, of, device, min(first_seen) AS first_seen FROM fresh WHERE kind = 'serial' GROUP BY tool, of, device) d
), rotation AS (
    SELECT tool, of FROM near n
    WHERE EXISTS (SELECT FROM rmm.tool_facts k WHERE k.tool = n.tool AND k.kind = 'serial' AND k.of = n.of)
    GROUP BY tool, of HAVING max(devices) >= 3
), change AS (
    SELECT 1 AS rank, 'new_' || kind AS type, tool,
           jsonb_build_object(kind, value, 'first_seen', kql.ticks_text(min(first_seen)), 'devices', count(*))
           || CASE kind WHEN 'serial' THEN jsonb_build_object('signer', split_part(of, E'\n', 1), 'issuer', split_part(of, E'\n', 2))
              ELSE '{}' END AS detail
    FROM fresh f
    WHERE kind = 'signer' OR NOT EXISTS (SELECT FROM rotation r WHERE r.tool = f.tool AND r.of = f.of)
    GROUP BY tool, kind, value, of
    UNION ALL
    SELECT 2, 'certificate_rotation', tool,
           jsonb_build_object('signer', split_part(of, E'\n', 1), 'issuer', split_part(of, E'\n', 2),
                              'serials', jsonb_agg(DISTINCT value ORDER BY value), 'devices', count(DISTINCT device),
                              'first_seen', kql.ticks_text(min(first_seen)))
    FROM fresh f JOIN rotation r USING (tool, of) WHERE f.kind = 'serial' GROUP BY tool, of
)
INSERT INTO rmm.changes (type, tool, run_id, detail)
SELECT type, tool, $1::bigint, detail FROM change ORDER BY rank, tool, type, detail::text
