-- $1 integer[]: hunts, and beside each, of a device that its result names: $2 text[]: id, $3 text[]: name, $4 text[]: machine
-- group, $5 bigint[], $6 bigint[]: first and last sighting in ticks, $7 bigint[]: events, $8 boolean[]: whether the result has
-- those times; else they are the window's, which moves nothing that is known better. Into rmm.findings; how many that touched.
WITH given AS (
    SELECT d.id AS device, t.tool, t.signal, s.name, s.machine_group, s.first_seen, s.last_seen, s.count, s.timed
    FROM unnest($1::integer[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], $8::boolean[])
         s (hunt, device_id, name, machine_group, first_seen, last_seen, count, timed)
    JOIN dict.device d ON d.device_id = s.device_id AND octet_length(s.device_id) <= 1024 -- as in ledger_hits
    JOIN rmm.hunt_tools t ON t.hunt = s.hunt
), told AS (
    SELECT device, tool, signal, bool_or(timed) AS timed, max(count) AS count,
           coalesce(min(first_seen) FILTER (WHERE timed), min(first_seen)) AS first_seen,
           coalesce(max(last_seen) FILTER (WHERE timed), max(last_seen)) AS last_seen
    FROM given GROUP BY device, tool, signal
), more AS (
    SELECT t.device, t.tool, t.signal, k.device IS NOT NULL AS known, t.count,
           CASE WHEN t.timed OR k.device IS NULL THEN t.first_seen ELSE k.first_seen END AS first_seen,
           CASE WHEN t.timed OR k.count IS NOT DISTINCT FROM 0 OR k.device IS NULL THEN t.last_seen ELSE k.last_seen END AS last_seen,
           CASE WHEN t.timed OR k.device IS NULL
                THEN int4multirange(int4range((t.first_seen / 864000000000)::integer, (t.last_seen / 864000000000)::integer + 1))
                WHEN k.count = 0
                THEN int4multirange(int4range((t.last_seen / 864000000000)::integer, (t.last_seen / 864000000000)::integer + 1))
                ELSE '{}' END AS days,
           k.first_seen AS old_first, k.last_seen AS old_last, k.by_result AS old_count, k.days AS old_days
    FROM told t LEFT JOIN rmm.findings k ON (k.device, k.tool, k.signal) = (t.device, t.tool, t.signal)
), touched AS (
    SELECT * FROM more
    WHERE NOT known OR first_seen < old_first OR last_seen > old_last OR count > old_count OR NOT days <@ old_days
), saved AS (
    INSERT INTO rmm.findings AS f (device, tool, signal, first_seen, last_seen, count, by_result, days)
    SELECT device, tool, signal, first_seen, last_seen, 0, count, days FROM touched ORDER BY device, tool, signal
    ON CONFLICT (device, tool, signal) DO UPDATE
    SET first_seen = least(f.first_seen, excluded.first_seen), last_seen = greatest(f.last_seen, excluded.last_seen),
        by_result = greatest(f.by_result, excluded.by_result), days = f.days + excluded.days
), fact AS (
    INSERT INTO rmm.ledger_facts (device, tool, signal, kind, value, of, first_seen, last_seen)
    SELECT device, tool, signal, v.kind, v.value, '', g.first_seen, g.last_seen
    FROM given g JOIN touched USING (device, tool, signal)
    CROSS JOIN LATERAL (VALUES ('device_name', g.name), ('machine_group', g.machine_group)) v (kind, value)
    WHERE v.value <> ''
), noted AS (
    INSERT INTO rmm.ledger_touched (device, tool, signal, known, late)
    SELECT device, tool, signal, known, 0 FROM touched
    RETURNING 1
)
SELECT count(*) FROM noted
