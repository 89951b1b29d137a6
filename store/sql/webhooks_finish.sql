-- $1 bigint: delivery, $2 text: lease, $3 text: state, $4 integer: HTTP status or NULL, $5 text: error or NULL,
-- $6 bigint: milliseconds until the next attempt, $7 bigint: the same for the whole webhook, $8 text: why the webhook is
-- disabled, or NULL. An attempt's outcome; the lease ends unless another server has it.
WITH done AS (
    UPDATE rmm.webhook_deliveries
    SET state = $3::text, attempts = attempts + 1, last_status = $4::integer, last_error = $5::text,
        attempted_at = clock_timestamp(), next_at = clock_timestamp() + $6::bigint * interval '1 millisecond'
    WHERE id = $1::bigint RETURNING webhook
)
UPDATE rmm.webhooks w
SET lease = NULL, leased_until = clock_timestamp(), paused_until = clock_timestamp() + $7::bigint * interval '1 millisecond',
    failures = CASE WHEN $5::text IS NULL THEN 0 ELSE failures + 1 END,
    enabled = enabled AND $8::text IS NULL, disabled_reason = coalesce($8::text, disabled_reason)
FROM done WHERE w.id = done.webhook AND w.lease = $2::text
