-- $1 text: device, $2 integer[]: hunts, $3 bigint: of runs made by then (microseconds since 1970), $4 bigint: event time in
-- ticks, $5 bigint: arrival number and $6 integer: table behind which the page begins, $7 bigint: how many of each hunt. What
-- the ledger has of the device, whatever the window of a run: time, arrival number, table, place among the hunts.
SELECT k.ts, k.arrived, k.event_table, w.place - 1
FROM dict.device i
CROSS JOIN unnest($2::integer[]) WITH ORDINALITY w (hunt, place)
CROSS JOIN LATERAL (
    SELECT ts, arrived, event_table FROM rmm.hits
    WHERE device = i.id AND hunt = w.hunt AND ts >= $4::bigint AND (ts, arrived, event_table) > ($4::bigint, $5::bigint, $6::integer)
      AND NOT EXISTS (SELECT FROM rmm.runs r WHERE r.id = hits.run_id
                        AND r.created_at > timestamptz '1970-01-01 00:00:00Z' + $3::bigint * interval '1 microsecond')
    ORDER BY ts, arrived, event_table LIMIT $7::bigint) k
WHERE i.device_id = $1::text
