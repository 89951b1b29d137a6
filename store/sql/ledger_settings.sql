-- $1 integer: quiet_days, $2 integer: new_days. Takes the ledger for this transaction; whether quiet_days is another now.
UPDATE rmm.ledger l SET quiet_days = $1::integer, new_days = $2::integer
FROM (SELECT quiet_days FROM rmm.ledger FOR UPDATE) old
RETURNING old.quiet_days <> l.quiet_days
