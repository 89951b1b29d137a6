-- $1 jsonb: selection, $2 bigint: as_of, $3 bigint: from or NULL, $4 bigint: to or NULL, $5 text: idempotency key or NULL.
INSERT INTO rmm.runs (state, selection, as_of, window_from, window_to, idempotency_key, hunts_total, hunts_done)
VALUES ('queued', $1::jsonb, $2::bigint, $3::bigint, $4::bigint, $5::text, 0, 0)
ON CONFLICT (idempotency_key) DO NOTHING
RETURNING id
