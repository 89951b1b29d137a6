-- $1 bigint: webhook, $2 bigint: delivery. Sent once more with all its attempts; as JSON.
WITH hook AS (
    UPDATE rmm.webhooks SET paused_until = '-infinity' WHERE id = $1::bigint RETURNING id
)
UPDATE rmm.webhook_deliveries d SET state = 'pending', attempts = 0, next_at = clock_timestamp()
FROM hook WHERE d.webhook = hook.id AND d.id = $2::bigint
RETURNING rmm.webhook_delivery_json(d)
