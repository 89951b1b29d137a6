-- $1 text: this server. One row when it is its turn for the next two minutes.
UPDATE rmm.retention SET holder = $1::text, lease_until = clock_timestamp() + interval '2 minutes'
WHERE lease_until < clock_timestamp() OR holder = $1::text RETURNING 1
