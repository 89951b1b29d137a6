-- $1 bigint: lowest arrival number, $2 bigint, $3 bigint: event times in ticks; what came with them is new (NULL: nothing is).
-- How the files ran that a signature found: names, paths and accounts of the new process events, and of all events for files
-- that are new on a device. Into rmm.ledger_facts; those of them of which no event was found count as touched.
WITH signed AS (
    SELECT f.device, f.tool, f.value AS sha1, false AS fresh FROM rmm.facts f WHERE f.kind = 'sha1' AND f.signal = 'signature'
    UNION ALL
    SELECT DISTINCT l.device, l.tool, l.value, true FROM rmm.ledger_facts l
    WHERE l.kind = 'sha1' AND l.signal = 'signature'
      AND NOT EXISTS (SELECT FROM rmm.facts f WHERE (f.device, f.tool, f.signal, f.kind, f.key) = (l.device, l.tool, 'signature', 'sha1', rmm.fact_key(l.value, '')))
), file AS MATERIALIZED (
    SELECT s.device, s.tool, s.sha1, s.fresh, f.id FROM signed s JOIN dict.file f ON f.sha1 = s.sha1 AND f.sha1 <> ''
), ran AS (
    SELECT f.device, f.tool, f.sha1, t.image, t.path, t.account, min(t.ts) AS first_seen, max(t.ts) AS last_seen
    FROM file f JOIN data.device_process_events t ON t.device = f.device AND t.file = f.id
    WHERE NOT f.fresh AND t.arrived >= $1::bigint AND t.ts BETWEEN $2::bigint AND $3::bigint
    GROUP BY f.device, f.tool, f.sha1, t.image, t.path, t.account
    UNION ALL
    SELECT f.device, f.tool, f.sha1, t.image, t.path, t.account, min(t.ts), max(t.ts)
    FROM file f JOIN data.device_process_events t ON t.device = f.device AND t.file = f.id
    WHERE f.fresh
    GROUP BY f.device, f.tool, f.sha1, t.image, t.path, t.account
), told AS (
    INSERT INTO rmm.ledger_facts (device, tool, signal, kind, value, of, first_seen, last_seen)
    SELECT r.device, r.tool, 'signature', v.kind, v.value, v.of, r.first_seen, r.last_seen
    FROM ran r JOIN dict.image i ON i.id = r.image JOIN dict.path p ON p.id = r.path JOIN dict.account a ON a.id = r.account
    CROSS JOIN LATERAL (VALUES
        ('file_name', i.file_name, r.sha1), ('folder_path', p.folder_path, r.sha1),
        ('account', coalesce(nullif(a.account_upn, ''), concat_ws('\', nullif(a.account_domain, ''), nullif(a.account_name, ''))), ''))
        v (kind, value, of)
    WHERE v.value <> ''
    RETURNING device, tool
), touched AS (
    INSERT INTO rmm.ledger_touched (device, tool, signal, known, late)
    SELECT DISTINCT t.device, t.tool, 'signature', true, 0 FROM told t
    WHERE NOT EXISTS (SELECT FROM rmm.ledger_new n WHERE (n.device, n.tool, n.signal) = (t.device, t.tool, 'signature'))
)
SELECT count(*) FROM told
