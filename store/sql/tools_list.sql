-- $1 text: part of the name or NULL, $2 text: behind this tool, $3 integer: limit. Tools with their hunts.
SELECT tool, json_build_object('tool', tool, 'noise_level', max(nullif(noise_level, -1)),
           'hunts', json_agg(json_build_object('id', id, 'slug', slug, 'signal', signal, 'state', state,
                                               'noise', nullif(noise, '')) ORDER BY slug))::text
FROM rmm.hunts
WHERE retired_at IS NULL AND tool > coalesce($2::text, '')
  AND ($1::text IS NULL OR strpos(lower(tool), lower($1::text)) > 0)
GROUP BY tool ORDER BY tool LIMIT $3::integer
