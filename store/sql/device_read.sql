-- $1 text: device's id, $2 bigint: now in ticks, $3 boolean: states are told from what was seen by then. All that the ledger has of the device, as JSON; no row when it has nothing.
WITH d AS (
    SELECT * FROM rmm.devices WHERE device_id = $1::text
), part AS (
    SELECT k.hunt, t.tool, t.signal, min(k.ts) AS first_seen, max(k.ts) AS last_seen, count(*) AS count, count(*) AS kept,
           array_agg(DISTINCT k.report_id) FILTER (WHERE k.report_id IS NOT NULL) AS reports
    FROM d JOIN rmm.hits k ON k.device = d.device JOIN rmm.hunt_tools t ON t.hunt = k.hunt
    GROUP BY k.hunt, t.tool, t.signal
    UNION ALL
    SELECT g.hunt, g.tool, g.signal, g.first_seen, g.last_seen, g.count, 0, g.report_ids
    FROM d JOIN rmm.deleted_hits g ON g.device = d.device
), hit AS (
    SELECT p.hunt, p.tool, p.signal, h.slug, h.id, min(p.first_seen) AS first_seen, max(p.last_seen) AS last_seen,
           sum(p.count)::bigint AS count, sum(p.kept)::bigint AS kept,
           (SELECT array_agg(DISTINCT r) FROM part o, unnest(o.reports) r
            WHERE (o.hunt, o.tool, o.signal) = (p.hunt, p.tool, p.signal)) AS reports
    FROM part p JOIN rmm.hunts h ON h.number = p.hunt
    GROUP BY p.hunt, p.tool, p.signal, h.slug, h.id
), hunt_list AS (
    SELECT tool, signal, json_agg(json_build_object('id', id, 'slug', slug, 'first_seen', kql.ticks_text(first_seen),
               'last_seen', kql.ticks_text(last_seen), 'count', count, 'events_kept', kept,
               'report_ids', (SELECT coalesce(json_agg(r::text ORDER BY r), '[]') FROM unnest(reports) r),
               'evidence', json_build_object('url', '/v1/devices/' || kql.url_encode($1::text, '-_.~') || '/evidence?hunt=' || slug)) ORDER BY slug) AS hunts
    FROM hit GROUP BY tool, signal
), signal AS (
    SELECT f.tool, json_agg(json_build_object('signal', f.signal, 'first_seen', kql.ticks_text(f.first_seen),
               'last_seen', kql.ticks_text(f.last_seen), 'count', greatest(f.count, f.by_result),
               'exact', f.by_result = 0, 'runs', coalesce(seen.runs, 0),
               'days', (SELECT sum(upper(r) - lower(r)) FROM unnest(f.days) r),
               'state', CASE WHEN $3::boolean THEN rmm.state_at(f.device, f.tool, f.signal, f.first_seen, f.last_seen, f.streak_from, $2::bigint)
                   ELSE rmm.finding_state(f.first_seen, f.last_seen, f.streak_from, $2::bigint, l.new_days, l.quiet_days) END,
               'hunts', coalesce(h.hunts, '[]')) ORDER BY f.signal) AS signals
    FROM d JOIN rmm.findings f ON f.device = d.device
    LEFT JOIN rmm.finding_runs seen ON (seen.device, seen.tool, seen.signal) = (f.device, f.tool, f.signal)
    LEFT JOIN hunt_list h ON h.tool = f.tool AND h.signal = f.signal, rmm.ledger l
    GROUP BY f.tool
), fact AS (
    SELECT f.tool, f.kind, f.value, f.of, min(f.first_seen) AS first_seen, max(f.last_seen) AS last_seen
    FROM d JOIN rmm.facts f ON f.device = d.device GROUP BY f.tool, f.kind, f.value, f.of
), listed AS (
    SELECT tool, kind, of, json_agg(json_build_object('value', value, 'first_seen', kql.ticks_text(first_seen),
               'last_seen', kql.ticks_text(last_seen)) ORDER BY first_seen, value) AS items
    FROM fact GROUP BY tool, kind, of
), own AS (
    SELECT kind, json_agg(json_build_object('value', value, 'first_seen', kql.ticks_text(first_seen),
               'last_seen', kql.ticks_text(last_seen)) ORDER BY first_seen, value) AS items
    FROM (SELECT kind, value, min(first_seen) AS first_seen, max(last_seen) AS last_seen FROM fact
          WHERE kind IN ('device_name', 'machine_group') GROUP BY kind, value) n GROUP BY kind
), event AS ( -- what files the device's events are of, and what made them
    SELECT t.init_file AS file, t.init_image AS image, t.init_path AS path, '' AS folder_path FROM data.device_process_events t JOIN d ON t.device = d.device AND t.ts BETWEEN d.first_seen - 864000000000 AND d.last_seen + 864000000000
    UNION
    SELECT t.file, t.image, t.path, '' FROM data.device_process_events t JOIN d ON t.device = d.device AND t.ts BETWEEN d.first_seen - 864000000000 AND d.last_seen + 864000000000
    UNION
    SELECT t.init_file, t.init_image, t.init_path, '' FROM data.device_image_load_events t JOIN d ON t.device = d.device AND t.ts BETWEEN d.first_seen - 864000000000 AND d.last_seen + 864000000000
    UNION
    SELECT t.file, t.image, t.path, '' FROM data.device_image_load_events t JOIN d ON t.device = d.device AND t.ts BETWEEN d.first_seen - 864000000000 AND d.last_seen + 864000000000
    UNION
    SELECT t.init_file, t.init_image, t.init_path, '' FROM data.device_file_events t JOIN d ON t.device = d.device AND t.ts BETWEEN d.first_seen - 864000000000 AND d.last_seen + 864000000000
    UNION
    SELECT t.file, t.image, 0, coalesce(t.folder_path, '') FROM data.device_file_events t JOIN d ON t.device = d.device AND t.ts BETWEEN d.first_seen - 864000000000 AND d.last_seen + 864000000000
    UNION
    SELECT t.init_file, t.init_image, t.init_path, '' FROM data.device_events t JOIN d ON t.device = d.device AND t.ts BETWEEN d.first_seen - 864000000000 AND d.last_seen + 864000000000
    UNION
    SELECT t.file, t.image, 0, coalesce(t.folder_path, '') FROM data.device_events t JOIN d ON t.device = d.device AND t.ts BETWEEN d.first_seen - 864000000000 AND d.last_seen + 864000000000
    UNION
    SELECT t.init_file, t.init_image, t.init_path, '' FROM data.device_network_events t JOIN d ON t.device = d.device AND t.ts BETWEEN d.first_seen - 864000000000 AND d.last_seen + 864000000000
    UNION
    SELECT t.init_file, t.init_image, t.init_path, '' FROM data.device_registry_events t JOIN d ON t.device = d.device AND t.ts BETWEEN d.first_seen - 864000000000 AND d.last_seen + 864000000000
    UNION
    SELECT t.init_file, t.init_image, t.init_path, '' FROM data.device_logon_events t JOIN d ON t.device = d.device AND t.ts BETWEEN d.first_seen - 864000000000 AND d.last_seen + 864000000000
), named AS (
    SELECT f.sha1, i.file_name, coalesce(nullif(e.folder_path, ''), p.folder_path) AS folder_path
    FROM (SELECT id, sha1 FROM dict.file WHERE sha1 <> '' AND sha1 IN (SELECT value FROM fact WHERE kind = 'sha1')) f
    JOIN event e ON e.file = f.id JOIN dict.image i ON i.id = e.image JOIN dict.path p ON p.id = e.path
    UNION
    SELECT of, CASE kind WHEN 'file_name' THEN value ELSE '' END, CASE kind WHEN 'folder_path' THEN value ELSE '' END
    FROM fact WHERE kind IN ('file_name', 'folder_path')
), file AS (
    SELECT f.tool, json_agg(json_build_object('sha1', f.value, 'first_seen', kql.ticks_text(f.first_seen),
               'last_seen', kql.ticks_text(f.last_seen),
               'names', coalesce((SELECT json_agg(v ORDER BY v) FROM (SELECT DISTINCT file_name AS v FROM named n WHERE n.sha1 = f.value AND n.file_name <> '') v), '[]'),
               'paths', coalesce((SELECT json_agg(v ORDER BY v) FROM (SELECT DISTINCT folder_path AS v FROM named n WHERE n.sha1 = f.value AND n.folder_path <> '') v), '[]'))
               ORDER BY f.first_seen, f.value) AS files
    FROM fact f WHERE f.kind = 'sha1' GROUP BY f.tool
), signer AS (
    SELECT f.tool, json_agg(json_build_object('signer', split_part(f.of, E'\n', 1), 'issuer', split_part(f.of, E'\n', 2),
               'serials', l.items) ORDER BY f.of) AS signers
    FROM (SELECT DISTINCT tool, of FROM fact WHERE kind = 'serial') f
    JOIN listed l ON l.tool = f.tool AND l.kind = 'serial' AND l.of = f.of GROUP BY f.tool
), tool AS (
    SELECT json_agg(json_build_object('tool', t.tool, 'signals', t.signals, 'seen_by', array_to_string(t.signals, '+'),
               'first_seen', kql.ticks_text(t.first_seen), 'last_seen', kql.ticks_text(t.last_seen), 'count', t.count,
               'state', CASE WHEN $3::boolean THEN rmm.state_at(t.device, t.tool, NULL, t.first_seen, t.last_seen, t.streak_from, $2::bigint)
                   ELSE rmm.finding_state(t.first_seen, t.last_seen, t.streak_from, $2::bigint, l.new_days, l.quiet_days) END,
               'by_signal', s.signals,
               'accounts', coalesce((SELECT items FROM listed x WHERE x.tool = t.tool AND x.kind = 'account'), '[]'),
               'domains', coalesce((SELECT items FROM listed x WHERE x.tool = t.tool AND x.kind = 'domain'), '[]'),
               'files', coalesce((SELECT files FROM file x WHERE x.tool = t.tool), '[]'),
               'signers', coalesce((SELECT signers FROM signer x WHERE x.tool = t.tool), '[]'),
               'exclusions', '[]'::json) ORDER BY t.tool) AS tools
    FROM d JOIN rmm.device_tools t ON t.device = d.device LEFT JOIN signal s ON s.tool = t.tool, rmm.ledger l
)
SELECT json_build_object('device_id', d.device_id, 'device_name', d.device_name, 'machine_group', d.machine_group,
           'first_seen', kql.ticks_text(d.first_seen), 'last_seen', kql.ticks_text(d.last_seen),
           'last_event_day', (date '0001-01-01' + e.day)::text, 'silent', rmm.is_silent(e.day),
           'names', (SELECT items FROM own WHERE kind = 'device_name'),
           'machine_groups', coalesce((SELECT items FROM own WHERE kind = 'machine_group'), '[]'),
           'tools', tool.tools, 'flags', d.flags,
           'portal', 'https://security.microsoft.com/machines/' || kql.url_encode(d.device_id, '-_.~') || '/timeline?from='
               || kql.ticks_text(d.first_seen) || '&to=' || kql.ticks_text(d.last_seen))::text
FROM d, tool, LATERAL (SELECT rmm.last_event_day(d.device, d.last_seen) AS day OFFSET 0) e
