-- $1 bigint, $2 bigint: runs. What differs between their device summaries, per hunt that both ran to its end in the same
-- version, that had data to look at and whose rows name devices, and which hunts can't be compared: a JSON object; no row when
-- a run isn't there or isn't over.
WITH side AS (
    SELECT r.run_id, r.hunt_id, r.hunt_version, b.body, c.state, b.body ->> 'verdict' = 'no_data' AS blind,
           b.body -> 'devices' = '[]' AND b.body -> 'rows' <> '[]' AS nameless,
           json_build_object('state', c.state, 'version', r.hunt_version,
                             'error', coalesce(r.error, CASE WHEN c.state = 'failed' THEN u.error END)) AS told
    FROM rmm.results r JOIN rmm.runs u ON u.id = r.run_id,
         LATERAL (SELECT CASE WHEN r.state IN ('succeeded', 'failed') THEN r.state ELSE u.state END AS state) c,
         LATERAL (SELECT r.body::jsonb AS body OFFSET 0) b
    WHERE r.run_id IN ($1::bigint, $2::bigint)
), pair AS (
    SELECT hunt_id, a.body AS old, b.body AS new, a.told AS from_told, b.told AS to_told,
           CASE WHEN b IS NULL THEN 'only_in_from' WHEN a IS NULL THEN 'only_in_to'
                WHEN 'failed' IN (a.state, b.state) THEN 'failed'
                WHEN a.state <> 'succeeded' OR b.state <> 'succeeded' THEN 'cancelled'
                WHEN a.hunt_version <> b.hunt_version THEN 'other_version'
                WHEN a.blind OR b.blind THEN 'no_data'
                WHEN a.nameless OR b.nameless THEN 'no_devices' END AS reason
    FROM (SELECT * FROM side WHERE run_id = $1::bigint) a
    FULL JOIN (SELECT * FROM side WHERE run_id = $2::bigint) b USING (hunt_id)
), both_ran AS (
    SELECT hunt_id, old -> 'devices' AS old, new -> 'devices' AS new FROM pair WHERE reason IS NULL
), one AS (
    SELECT w.hunt_id, coalesce(o.d ->> 'device_id', n.d ->> 'device_id') AS device_id, o.d AS old, n.d AS new
    FROM both_ran w
    CROSS JOIN LATERAL (SELECT o.d AS o, n.d AS n FROM (SELECT d FROM jsonb_array_elements(w.old) d) o
                        FULL JOIN (SELECT d FROM jsonb_array_elements(w.new) d) n ON o.d ->> 'device_id' = n.d ->> 'device_id') x
    CROSS JOIN LATERAL (SELECT x.o AS d) o CROSS JOIN LATERAL (SELECT x.n AS d) n
), told AS (
    SELECT hunt_id, device_id, CASE WHEN old IS NULL THEN 'new' WHEN new IS NULL THEN 'gone' ELSE 'changed' END AS kind,
           json_build_object('device_id', device_id, 'device_name', coalesce(new, old) ->> 'device_name',
               'first_seen', coalesce(new, old) ->> 'first_seen', 'last_seen', coalesce(new, old) ->> 'last_seen',
               'count', new -> 'count', 'was', old -> 'count',
               'machine_group', coalesce(new, old) ->> 'machine_group', 'device_name_was', old ->> 'device_name',
               'machine_group_was', old ->> 'machine_group', 'first_seen_was', old ->> 'first_seen', 'last_seen_was', old ->> 'last_seen',
               'differs', CASE WHEN old IS NOT NULL AND new IS NOT NULL THEN
                   (SELECT coalesce(json_agg(m ORDER BY m), '[]') FROM jsonb_object_keys(old || new) m
                    WHERE m NOT IN ('evidence', 'portal', 'state') AND old -> m IS DISTINCT FROM new -> m) END,
               'report_ids_added', (SELECT coalesce(json_agg(r ORDER BY length(r), r), '[]') FROM jsonb_array_elements_text(coalesce(new -> 'report_ids', '[]')) r
                                    WHERE NOT coalesce(old -> 'report_ids', '[]') ? r),
               'report_ids_gone', (SELECT coalesce(json_agg(r ORDER BY length(r), r), '[]') FROM jsonb_array_elements_text(coalesce(old -> 'report_ids', '[]')) r
                                   WHERE NOT coalesce(new -> 'report_ids', '[]') ? r),
               'groups_added', (SELECT coalesce(json_agg(g ORDER BY g), '[]') FROM (
                   SELECT jsonb_array_elements(new -> 'groups') AS g EXCEPT SELECT jsonb_array_elements(old -> 'groups')) n),
               'groups_gone', (SELECT coalesce(json_agg(g ORDER BY g), '[]') FROM (
                   SELECT jsonb_array_elements(old -> 'groups') AS g EXCEPT SELECT jsonb_array_elements(new -> 'groups')) n)) AS item
    FROM one
    WHERE old IS NULL OR new IS NULL
       OR (old - '{evidence,portal,state}'::text[]) <> (new - '{evidence,portal,state}'::text[])
), hunt AS (
    SELECT w.hunt_id, json_build_object('hunt', h.slug, 'tool', h.tool,
               'new', coalesce((SELECT json_agg(item ORDER BY device_id) FROM told t WHERE t.hunt_id = w.hunt_id AND kind = 'new'), '[]'),
               'gone', coalesce((SELECT json_agg(item ORDER BY device_id) FROM told t WHERE t.hunt_id = w.hunt_id AND kind = 'gone'), '[]'),
               'changed', coalesce((SELECT json_agg(item ORDER BY device_id) FROM told t WHERE t.hunt_id = w.hunt_id AND kind = 'changed'), '[]')) AS item,
           h.slug, EXISTS (SELECT FROM told t WHERE t.hunt_id = w.hunt_id) AS differs
    FROM both_ran w JOIN rmm.hunts h ON h.id = w.hunt_id
)
SELECT json_build_object('from', $1::bigint::text, 'to', $2::bigint::text, 'compared', (SELECT count(*) FROM hunt),
           'hunts', coalesce((SELECT json_agg(item ORDER BY slug) FROM hunt WHERE differs), '[]'),
           'not_compared', (SELECT coalesce(json_agg(json_build_object('hunt', h.slug, 'tool', h.tool, 'reason', p.reason,
                                                                       'from', p.from_told, 'to', p.to_told) ORDER BY h.slug), '[]')
                            FROM pair p JOIN rmm.hunts h ON h.id = p.hunt_id WHERE p.reason IS NOT NULL),
           'only_in_from', (SELECT coalesce(json_agg(h.slug ORDER BY h.slug), '[]')
                            FROM pair p JOIN rmm.hunts h ON h.id = p.hunt_id WHERE p.reason = 'only_in_from'),
           'only_in_to', (SELECT coalesce(json_agg(h.slug ORDER BY h.slug), '[]')
                          FROM pair p JOIN rmm.hunts h ON h.id = p.hunt_id WHERE p.reason = 'only_in_to'))::text
WHERE (SELECT count(*) FROM rmm.runs WHERE id IN ($1::bigint, $2::bigint) AND state IN ('succeeded', 'failed', 'cancelled'))
      = CASE WHEN $1::bigint = $2::bigint THEN 1 ELSE 2 END
