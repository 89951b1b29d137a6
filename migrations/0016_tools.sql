-- What the catalogue knows of each tool, beside its hunts; and what a hunt card says of false alarms.
CREATE TABLE rmm.tools (
    name text PRIMARY KEY,
    id text NOT NULL,
    facts json NOT NULL
);
COMMENT ON TABLE rmm.tools IS 'tools of the embedded catalogue; written anew at each start';
COMMENT ON COLUMN rmm.tools.facts IS 'vendor, aliases, signers, companies, products, domains, processes, serials, what else the same facts match';

ALTER TABLE rmm.hunt_versions ADD COLUMN false_positives json NOT NULL DEFAULT '[]';
COMMENT ON COLUMN rmm.hunt_versions.false_positives IS 'scenarios of a hunt card: {"scenario","description","filter"}, each text as it came';

CREATE VIEW rmm.tool_cards AS
SELECT coalesce(h.tool, t.name) AS tool, t.id, t.facts,
       json_build_object('tool', coalesce(h.tool, t.name), 'id', t.id, 'noise_level', h.noise_level,
                         'hunts', coalesce(h.hunts, '[]'), 'facts', t.facts)::text AS card
FROM (SELECT tool, max(nullif(noise_level, -1)) AS noise_level,
             json_agg(json_build_object('id', id, 'slug', slug, 'signal', signal, 'state', state,
                                        'noise_level', nullif(noise_level, -1), 'noise', nullif(noise, '')) ORDER BY slug) AS hunts
      FROM rmm.hunts WHERE retired_at IS NULL AND tool <> '' GROUP BY tool) h
FULL JOIN rmm.tools t ON t.name = h.tool;
COMMENT ON VIEW rmm.tool_cards IS 'tools as the API shows them: the catalogue''s, and those that only a user''s hunt names';
