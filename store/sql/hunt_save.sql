-- $1 text: id, $2 slug, $3 name, $4 tool, $5 signal, $6 tactics, $7 techniques, $8 noise, $9 integer: noise level,
-- $10 why, $11 description, $12 source, $13 origin, $14 shape, $15 state. Creates or renews a hunt; noise and why
-- stay where the new file is silent. What a user made of a catalogue hunt, or retired, the catalogue leaves alone (no row).
INSERT INTO rmm.hunts (id, slug, name, tool, signal, tactics, techniques, noise, noise_level, why, description, source,
                       origin, shape, state, current_version)
VALUES ($1::text, $2::text, $3::text, $4::text, $5::text, $6::text, $7::text, $8::text, $9::integer, $10::text,
        $11::text, $12::text, $13::text, $14::text, $15::text, 0)
ON CONFLICT (id) DO UPDATE SET slug = excluded.slug, name = excluded.name, tool = excluded.tool,
    signal = excluded.signal, tactics = excluded.tactics, techniques = excluded.techniques, 
    noise = coalesce(nullif(excluded.noise, ''), hunts.noise),
    noise_level = coalesce(nullif(excluded.noise_level, -1), hunts.noise_level),
    why = coalesce(nullif(excluded.why, ''), hunts.why), description = excluded.description,
    source = excluded.source, origin = excluded.origin, shape = excluded.shape, state = excluded.state,
    retired_at = NULL
WHERE excluded.origin = 'user' OR (hunts.origin = 'catalogue' AND hunts.retired_at IS NULL)
