-- Hunts in the JSON shape that loading takes: slug, text.
SELECT h.slug, jsonb_pretty(jsonb_build_object('id', h.id, 'name', h.name, 'description', h.description,
           'tactics', string_to_array(replace(h.tactics, ', ', ','), ','), 'relevantTechniques', string_to_array(replace(h.techniques, ', ', ','), ','),
           'query', v.query))
FROM rmm.hunts h JOIN rmm.hunt_versions v ON v.hunt_id = h.id AND v.version = h.current_version
WHERE h.retired_at IS NULL ORDER BY h.slug
