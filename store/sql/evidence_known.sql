-- $1 text: device, $2 bigint: run, $3 text: hunt's id or slug (each but the device NULL: none named).
-- Which of them are there, and the time in microseconds since 1970.
SELECT EXISTS (SELECT FROM dict.device WHERE device_id = $1::text),
       $2::bigint IS NULL OR EXISTS (SELECT FROM rmm.runs WHERE id = $2::bigint),
       $3::text IS NULL OR EXISTS (SELECT FROM rmm.hunts WHERE id = lower($3::text) OR slug = $3::text),
       (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
