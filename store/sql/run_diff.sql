-- $1 bigint, $2 bigint: runs. What differs between their device summaries, per hunt that both ran to its end: a JSON object;
-- no row when a run isn't there or has no such results.
WITH side AS (
    SELECT r.run_id, r.hunt_id, r.body::jsonb -> 'devices' AS devices FROM rmm.results r
    WHERE r.run_id IN ($1::bigint, $2::bigint) AND r.state = 'succeeded'
), both_ran AS (
    SELECT a.hunt_id, a.devices AS old, b.devices AS new FROM side a JOIN side b USING (hunt_id)
    WHERE a.run_id = $1::bigint AND b.run_id = $2::bigint
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
               'report_ids_added', (SELECT coalesce(json_agg(r ORDER BY length(r), r), '[]') FROM jsonb_array_elements_text(coalesce(new -> 'report_ids', '[]')) r
                                    WHERE NOT coalesce(old -> 'report_ids', '[]') ? r),
               'report_ids_gone', (SELECT coalesce(json_agg(r ORDER BY length(r), r), '[]') FROM jsonb_array_elements_text(coalesce(old -> 'report_ids', '[]')) r
                                   WHERE NOT coalesce(new -> 'report_ids', '[]') ? r)) AS item
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
           'only_in_from', (SELECT coalesce(json_agg(h.slug ORDER BY h.slug), '[]') FROM side s JOIN rmm.hunts h ON h.id = s.hunt_id
                            WHERE s.run_id = $1::bigint AND NOT EXISTS (SELECT FROM side o WHERE o.run_id = $2::bigint AND o.hunt_id = s.hunt_id)),
           'only_in_to', (SELECT coalesce(json_agg(h.slug ORDER BY h.slug), '[]') FROM side s JOIN rmm.hunts h ON h.id = s.hunt_id
                          WHERE s.run_id = $2::bigint AND NOT EXISTS (SELECT FROM side o WHERE o.run_id = $1::bigint AND o.hunt_id = s.hunt_id)))::text
WHERE (SELECT count(*) FROM rmm.runs WHERE id IN ($1::bigint, $2::bigint) AND state IN ('succeeded', 'failed', 'cancelled'))
      = CASE WHEN $1::bigint = $2::bigint THEN 1 ELSE 2 END
