-- $1 bigint: lowest arrival number, $2 bigint, $3 bigint: event times in ticks; what came with them is new (NULL: nothing is).
-- How the files ran that a signature found: names, paths and accounts of the new process events, and of all events for files
-- that are new on a device. Into rmm.ledger_facts; those of them of which no event was found count as touched.
-- New events are first cut to files that are any tool's in the estate: those are few, where devices may be many.
WITH known AS MATERIALIZED (
    SELECT DISTINCT f.id, f.sha1 FROM rmm.tool_facts k JOIN dict.file f ON f.sha1 = k.value AND f.sha1 <> '' WHERE k.kind = 'sha1'
), came AS MATERIALIZED (
    SELECT t.device, k.sha1, t.image, t.path, t.account, min(t.ts) AS first_seen, max(t.ts) AS last_seen
    FROM known k JOIN data.device_process_events t ON t.file = k.id
    WHERE t.arrived >= $1::bigint AND t.ts BETWEEN $2::bigint AND $3::bigint
    GROUP BY t.device, k.sha1, t.image, t.path, t.account
), fresh AS MATERIALIZED (
    SELECT l.device, l.tool, l.value AS sha1, f.id
    FROM (SELECT DISTINCT device, tool, value FROM rmm.ledger_facts WHERE kind = 'sha1' AND signal = 'signature') l
    JOIN dict.file f ON f.sha1 = l.value AND f.sha1 <> ''
    WHERE NOT EXISTS (SELECT FROM rmm.facts f WHERE (f.device, f.tool, f.signal, f.kind, f.key) = (l.device, l.tool, 'signature', 'sha1', rmm.fact_key(l.value, '')))
), ran AS (
    SELECT c.device, s.tool, c.sha1, c.image, c.path, c.account, c.first_seen, c.last_seen
    FROM came c JOIN rmm.facts s ON s.device = c.device AND s.value = c.sha1 AND s.kind = 'sha1' AND s.signal = 'signature'
    UNION ALL
    SELECT f.device, f.tool, f.sha1, t.image, t.path, t.account, min(t.ts), max(t.ts)
    FROM fresh f JOIN data.device_process_events t ON t.device = f.device AND t.file = f.id
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
