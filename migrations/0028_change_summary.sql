-- What a change's detail says, in a few words for people.
CREATE FUNCTION rmm.change_summary(type text, detail jsonb) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
  SELECT concat_ws(', ',
    CASE WHEN type = 'new_serial' OR type = 'new_signer' THEN
           concat_ws(' ', 'serial=' || (detail ->> 'serial'), 'signer=' || (detail ->> 'signer'))
         WHEN type = 'certificate_rotation' THEN
           format('%s serials on %s devices signer=%s', jsonb_array_length(detail -> 'serials'), detail ->> 'devices', detail ->> 'signer')
         WHEN type = 'new_tool' THEN
           format(CASE detail ->> 'devices' WHEN '1' THEN 'on %s device' ELSE 'on %s devices' END, detail ->> 'devices')
         WHEN type = 'new_signal' THEN 'signal=' || (detail ->> 'signal')
         WHEN type = 'returned' THEN 'since ' || left(detail ->> 'since', 10)
         WHEN type = 'first_moved' THEN format('there since %s, not %s', left(detail ->> 'first_seen', 10), left(detail ->> 'was', 10))
         WHEN type = 'grew' THEN format('%sx, was %sx', detail ->> 'count', detail ->> 'was')
         ELSE (detail ->> 'count') || 'x ' || (SELECT string_agg(s, ',') FROM jsonb_array_elements_text(detail -> 'signals') s) END,
    CASE WHEN (detail ->> 'late')::bigint > 0 THEN (detail ->> 'late') || ' late' END)
$$;
COMMENT ON FUNCTION rmm.change_summary IS 'the gist of a change''s detail, most important first, as a terminal may cut it';

CREATE OR REPLACE FUNCTION rmm.change_json(change rmm.changes) RETURNS text
LANGUAGE sql STABLE AS $$
  SELECT json_build_object('id', change.id::text, 'at', kql.time_text(change.at), 'type', change.type,
    'device_id', change.device_id, 'device_name', change.device_name, 'tool', change.tool,
    'run_id', change.run_id::text, 'summary', rmm.change_summary(change.type, change.detail), 'detail', change.detail,
    'links', json_build_object(
      'device', l.device,
      'evidence', l.device || '/evidence?tool=' || l.tool,
      'tool', '/v1/tools/' || l.tool,
      'run', '/v1/runs/' || change.run_id))::text
  FROM (SELECT CASE WHEN change.device_id IS NOT NULL THEN '/v1/devices/' || kql.url_encode(change.device_id, '-_.~') END AS device,
               CASE WHEN change.tool IS NOT NULL THEN kql.url_encode(change.tool, '-_.~') END AS tool) l
$$;
