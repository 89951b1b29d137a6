-- $1 text: hunt's id or slug. Etag, body and run of its latest finished result.
SELECT r.etag, r.body, r.run_id
FROM rmm.hunts h JOIN rmm.results r ON r.hunt_id = h.id
WHERE (h.id = $1::text OR h.slug = $1::text) AND r.state = 'succeeded'
ORDER BY r.run_id DESC LIMIT 1
