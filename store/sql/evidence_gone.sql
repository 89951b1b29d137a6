-- $1 text: device, $2 integer[]: hunts' numbers, and beside each, $3 bigint[], $4 bigint[]: its window in ticks. Hunts of whose
-- events there retention may have deleted some: place among those named, how many events the ledger counted and how many of
-- them are kept, and when those that are deleted were, first and last in ticks.
SELECT w.place - 1, g.count + k.count, k.count, g.first_seen, g.last_seen
FROM dict.device i
CROSS JOIN unnest($2::integer[], $3::bigint[], $4::bigint[]) WITH ORDINALITY w (hunt, from_ts, to_ts, place)
CROSS JOIN LATERAL (SELECT sum(d.count)::bigint AS count, min(d.first_seen) AS first_seen, max(d.last_seen) AS last_seen
                    FROM rmm.deleted_hits d WHERE d.device = i.id AND d.hunt = w.hunt) g
CROSS JOIN LATERAL (SELECT count(*) FROM rmm.hits k WHERE k.device = i.id AND k.hunt = w.hunt) k
WHERE i.device_id = $1::text AND g.count > 0 AND g.first_seen <= w.to_ts AND g.last_seen >= w.from_ts
ORDER BY w.place
