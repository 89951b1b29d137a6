-- Takes the ledger for this transaction.
SELECT FROM rmm.ledger FOR UPDATE
