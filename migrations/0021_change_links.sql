-- A change tells where to read on.
CREATE OR REPLACE FUNCTION rmm.change_json(change rmm.changes) RETURNS text
LANGUAGE sql STABLE AS $$
  SELECT json_build_object('id', change.id::text, 'at', kql.time_text(change.at), 'type', change.type,
    'device_id', change.device_id, 'device_name', change.device_name, 'tool', change.tool,
    'run_id', change.run_id::text, 'detail', change.detail,
    'links', json_build_object(
      'device', l.device,
      'evidence', l.device || '/evidence?tool=' || l.tool,
      'tool', '/v1/tools/' || l.tool,
      'run', '/v1/runs/' || change.run_id))::text
  FROM (SELECT CASE WHEN change.device_id IS NOT NULL THEN '/v1/devices/' || kql.url_encode(change.device_id, '-_.~') END AS device,
               CASE WHEN change.tool IS NOT NULL THEN kql.url_encode(change.tool, '-_.~') END AS tool) l
$$;
