-- This database's own random key, as hex, for the digests of events and dictionary tuples.
SELECT encode(key, 'hex') FROM rmm.instance LIMIT 1
