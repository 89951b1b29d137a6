-- $1 text: this server. Its turn is over.
UPDATE rmm.retention SET lease_until = '-infinity' WHERE holder = $1::text
