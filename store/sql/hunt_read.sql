-- $1 text: id or slug. The whole hunt as JSON, its query, its id.
SELECT json_build_object('id', h.id, 'slug', h.slug, 'name', h.name, 'tool', h.tool, 'signal', h.signal,
           'tactics', string_to_array(replace(h.tactics, ', ', ','), ','), 'techniques', string_to_array(replace(h.techniques, ', ', ','), ','),
           'noise', nullif(h.noise, ''), 'noise_level', nullif(h.noise_level, -1), 'why', nullif(h.why, ''),
           'state', h.state, 'version', h.current_version, 'warnings', v.warnings, 'description', h.description,
           'query', v.query, 'source', h.source, 'origin', h.origin, 'shape', h.shape, 'columns', v.columns,
           'false_positives', v.false_positives,
           'errors', CASE WHEN v.error IS NULL THEN '[]'::jsonb ELSE jsonb_build_array(v.error) END,
           'results', '/v1/hunts/' || h.slug || '/results')::text, v.query, h.id
FROM rmm.hunts h JOIN rmm.hunt_versions v ON v.hunt_id = h.id AND v.version = h.current_version
WHERE (h.id = lower($1::text) OR h.slug = $1::text) AND h.retired_at IS NULL
