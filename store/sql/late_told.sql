-- $1 bigint: run, $2 integer[]: hunts' numbers, and beside each, $3 text[], $4 text[]: times and arrival numbers, arrays side
-- by side. Late events that its succeeded results list. Under ledger_lock, in the transaction that ends
-- the run. Each is looked up by itself, as the lists' length can't be known when this is planned.
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
FROM origin o, listed l
CROSS JOIN LATERAL (SELECT f.ctid AS place FROM rmm.hits f
                    WHERE f.hunt = l.hunt AND f.ts = l.ts AND f.arrived = l.arrived AND f.late OFFSET 0) f
WHERE k.ctid = f.place AND NOT coalesce(o.origin = ANY (k.told), false)
