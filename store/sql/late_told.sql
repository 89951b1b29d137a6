-- $1 bigint: run, $2 integer[]: hunts' numbers, and beside each, $3 text[], $4 text[]: times and arrival numbers, arrays side
-- by side. Late events that its succeeded results list. Under ledger_lock, in the transaction that ends the run.
WITH origin AS (
    SELECT coalesce((SELECT schedule_id FROM rmm.slots WHERE run_id = $1::bigint), '') AS origin
), listed AS MATERIALIZED (
    SELECT l.hunt, e.ts, e.arrived
    FROM unnest($2::integer[], $3::text[], $4::text[]) l (hunt, times, arrivals)
    JOIN rmm.hunts h ON h.number = l.hunt
    JOIN rmm.results r ON r.run_id = $1::bigint AND r.hunt_id = h.id AND r.state = 'succeeded'
    CROSS JOIN LATERAL unnest(l.times::bigint[], l.arrivals::bigint[]) e (ts, arrived)
)
UPDATE rmm.hits k SET told = array_append(k.told, o.origin)
FROM listed l, origin o
WHERE k.hunt = l.hunt AND k.ts = l.ts AND k.arrived = l.arrived AND k.late AND NOT coalesce(o.origin = ANY (k.told), false)
