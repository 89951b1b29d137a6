-- $1 text: idempotency key.
SELECT id FROM rmm.runs WHERE idempotency_key = $1::text
