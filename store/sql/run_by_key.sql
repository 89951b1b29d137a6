-- $1 text: idempotency key, $2 jsonb: selection, $3 bigint: from, $4 bigint: to. The run made with the key, and whether
-- it asked for the same.
SELECT id, selection = $2::jsonb AND window_from IS NOT DISTINCT FROM $3::bigint AND window_to IS NOT DISTINCT FROM $4::bigint
FROM rmm.runs WHERE idempotency_key = $1::text
