-- $1 text: a DeviceId. Whether a finding or an event is of it.
SELECT EXISTS (SELECT FROM rmm.devices WHERE device_id = $1::text) OR EXISTS (SELECT FROM dict.device WHERE device_id = $1::text)
