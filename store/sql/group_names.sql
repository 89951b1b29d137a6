-- $1 text: what somebody took for a machine group. Groups that were seen, twice, and whether what was given is a part of one.
SELECT machine_group, machine_group, length($1::text) > 2 AND strpos(lower(machine_group), lower($1::text)) > 0
FROM (SELECT machine_group FROM dict.host UNION SELECT machine_group FROM rmm.devices) g
WHERE machine_group <> ''
ORDER BY 1
