-- $1 text: what somebody took for a hunt's slug or id. Slugs and names of hunts, the slug, whether what was given is a part of it.
SELECT called, slug, length($1::text) > 2 AND strpos(lower(called), lower($1::text)) > 0
FROM (SELECT slug AS called, slug FROM rmm.hunts WHERE retired_at IS NULL
      UNION SELECT name, slug FROM rmm.hunts WHERE retired_at IS NULL) n
ORDER BY called, slug
