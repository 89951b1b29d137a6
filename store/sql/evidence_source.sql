-- $1 bigint: run or NULL for each hunt's latest result, $2 text: hunt's id or slug or NULL, $3 text: tool or NULL,
-- $4 bigint: results finished by then (microseconds since 1970), $5 text: device. By slug: slug, as_of, from, to, the query
-- as it was run, whether the result may speak of the device (it has rows without devices, or names it), the hunt's number,
-- and without a run the bit of the table in which the ledger has events of the device for the hunt, 0: it has none.
SELECT h.slug, l.as_of, coalesce(l.window_from, -1), coalesce(l.window_to, -1), v.query,
       strpos(l.body, '"device_id":' || to_json($5::text)::text) > 0
           OR strpos(l.body, '"devices":[]') > 0 AND strpos(l.body, '"rows":[]') = 0,
       h.number,
       coalesce((SELECT 1 << k.event_table FROM rmm.hits k JOIN dict.device i ON i.id = k.device
                 WHERE i.device_id = $5::text AND k.hunt = h.number AND $1::bigint IS NULL ORDER BY k.ts LIMIT 1), 0)
FROM rmm.hunts h
CROSS JOIN LATERAL (
    SELECT * FROM rmm.looks k
    WHERE k.hunt_id = h.id AND ($1::bigint IS NULL OR k.run_id = $1::bigint)
      AND k.finished_at <= timestamptz '1970-01-01 00:00:00Z' + $4::bigint * interval '1 microsecond'
    ORDER BY k.whole DESC, k.looked_at DESC, k.run_id DESC LIMIT 1) l
JOIN rmm.hunt_versions v ON v.hunt_id = h.id AND v.version = l.hunt_version
WHERE ($2::text IS NULL OR h.id = lower($2::text) OR h.slug = $2::text)
  AND ($3::text IS NULL OR lower(h.tool) = lower($3::text))
  AND (h.retired_at IS NULL OR $1::bigint IS NOT NULL OR $2::text IS NOT NULL)
ORDER BY h.slug
