-- $1 text: a machine group. Whether a finding's device or an event's is of it; '': those of none.
SELECT $1::text = '' OR EXISTS (SELECT FROM rmm.devices
                                WHERE left(machine_group, 256) = left($1::text, 256) AND machine_group = $1::text)
       OR EXISTS (SELECT FROM dict.host WHERE machine_group = $1::text)
