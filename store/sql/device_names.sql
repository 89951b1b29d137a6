-- $1 text: what somebody took for a device's id or name. Ids and names of devices with findings that begin or end like it, each
-- with what the device is called, and whether what was given is a part of it.
SELECT called, concat_ws(', ', nullif(device_name, ''), device_id), length($1::text) > 2 AND strpos(lower(called), lower($1::text)) > 0
FROM rmm.devices, unnest(ARRAY[device_id, device_name]) AS called
WHERE called <> '' AND (left(lower(called), length($1::text) / 2) = left(lower($1::text), length($1::text) / 2)
                        OR right(lower(called), length($1::text) / 2) = right(lower($1::text), length($1::text) / 2)
                        OR (length($1::text) > 2 AND strpos(lower(called), lower($1::text)) > 0))
ORDER BY called, device_id LIMIT 10000
