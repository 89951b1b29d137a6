-- $1 text: hunt's id or slug. Body of its latest result.
SELECT l.body
FROM rmm.hunts h JOIN rmm.looks l ON l.hunt_id = h.id
WHERE h.id = lower($1::text) OR h.slug = $1::text
ORDER BY l.whole DESC, l.looked_at DESC, l.run_id DESC LIMIT 1
