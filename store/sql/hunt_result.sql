-- $1 text: hunt's id or slug, $2 text: etag that is known. Etag and body of its latest result, the body NULL when it is the
-- known one; and the pulse.
SELECT l.etag, CASE WHEN l.etag IS DISTINCT FROM $2::text THEN l.body END, (SELECT n FROM rmm.pulse)
FROM rmm.hunts h JOIN rmm.looks l ON l.hunt_id = h.id
WHERE h.id = lower($1::text) OR h.slug = $1::text
ORDER BY l.whole DESC, l.looked_at DESC, l.run_id DESC LIMIT 1
