-- $1 text[]: device names. For each the device that reported last under it: name, the device's id; no row where two did on
-- that day, or none. In the order of the names' bytes.
SELECT n.name, min(d.device_id)
FROM (SELECT h.device_name AS name, l.device, rank() OVER (PARTITION BY h.device_name ORDER BY max(l.last_day) DESC) AS place
      FROM dict.host h JOIN rmm.last_days l ON l.host = h.id
      WHERE h.device_name = ANY ($1::text[]) AND h.device_name <> ''
      GROUP BY h.device_name, l.device) n
JOIN dict.device d ON d.id = n.device
WHERE n.place = 1
GROUP BY n.name HAVING count(*) = 1
ORDER BY n.name COLLATE "C"
