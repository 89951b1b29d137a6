-- $1 text: tool, $2 signal, $3 state, $4 part of the name, slug or query (each NULL: any), $5 text: behind this slug,
-- $6 integer: limit. Hunts by slug, each as JSON.
SELECT h.slug, json_build_object('id', h.id, 'slug', h.slug, 'name', h.name, 'tool', h.tool, 'signal', h.signal,
           'tactics', string_to_array(replace(h.tactics, ', ', ','), ','), 'techniques', string_to_array(replace(h.techniques, ', ', ','), ','),
           'noise', nullif(h.noise, ''), 'noise_level', nullif(h.noise_level, -1), 'state', h.state,
           'version', h.current_version, 'warnings', v.warnings)::text
FROM rmm.hunts h JOIN rmm.hunt_versions v ON v.hunt_id = h.id AND v.version = h.current_version
WHERE h.retired_at IS NULL AND h.slug > coalesce($5::text, '')
  AND ($1::text IS NULL OR lower(h.tool) = lower($1::text)) AND ($2::text IS NULL OR h.signal = $2::text)
  AND ($3::text IS NULL OR h.state = $3::text)
  AND ($4::text IS NULL OR strpos(lower(h.name || ' ' || h.slug || ' ' || v.query), lower($4::text)) > 0)
ORDER BY h.slug LIMIT $6::integer
