-- $1 integer[]: hunts, $2 text[]: beside each the id of a device that its result names. Counts the run at each finding:
-- once, however many hunts of the tool and signal saw the device. In the transaction that ends the run.
INSERT INTO rmm.finding_runs AS f (device, tool, signal, runs)
SELECT DISTINCT d.id, t.tool, t.signal, 1
FROM unnest($1::integer[], $2::text[]) s (hunt, device_id)
JOIN dict.device d ON d.device_id = s.device_id
JOIN rmm.hunt_tools t ON t.hunt = s.hunt
ORDER BY 1, 2, 3
ON CONFLICT (device, tool, signal) DO UPDATE SET runs = f.runs + 1
