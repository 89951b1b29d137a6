-- $1 bigint: webhook, then as webhook_create without the secret. What waits is tried at once.
WITH due AS (
    UPDATE rmm.webhook_deliveries SET next_at = clock_timestamp() WHERE webhook = $1::bigint AND state = 'pending'
)
UPDATE rmm.webhooks AS w
SET url = $2::text, types = CASE WHEN $3::text IS NOT NULL THEN ARRAY(SELECT jsonb_array_elements_text($3::jsonb)) END,
    tool = $4::text, description = $5::text, enabled = $6::boolean, disabled_reason = NULL, failures = 0,
    paused_until = '-infinity'
WHERE id = $1::bigint
RETURNING rmm.webhook_json(w)
