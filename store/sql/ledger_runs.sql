-- $1 integer[]: hunts, $2 text[]: beside each the id of a device that its result names. Counts the run at each finding:
-- once, however many hunts of the tool and signal saw the device. In the transaction that ends the run. Devices are looked
-- for among those with findings first: few, and by an index, which dict.device, read as a whole for the rest, doesn't have.
WITH seen AS MATERIALIZED (
    SELECT s.hunt, s.device_id, k.device
    FROM unnest($1::integer[], $2::text[]) s (hunt, device_id) LEFT JOIN rmm.devices k ON k.device_id = s.device_id
    WHERE octet_length(s.device_id) <= 1024 -- as in ledger_hits
), named AS (
    SELECT hunt, device FROM seen WHERE device IS NOT NULL
    UNION ALL
    SELECT s.hunt, d.id FROM seen s JOIN dict.device d ON d.device_id = s.device_id WHERE s.device IS NULL
)
INSERT INTO rmm.finding_runs AS f (device, tool, signal, runs)
SELECT DISTINCT n.device, t.tool, t.signal, 1 FROM named n JOIN rmm.hunt_tools t ON t.hunt = n.hunt
ORDER BY 1, 2, 3
ON CONFLICT (device, tool, signal) DO UPDATE SET runs = f.runs + 1
