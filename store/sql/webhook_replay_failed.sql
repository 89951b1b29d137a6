-- $1 bigint: webhook, $2 timestamptz: since, or NULL. Its changes whose delivery was given up are sent once more.
WITH hook AS (
    UPDATE rmm.webhooks SET paused_until = '-infinity' WHERE id = $1::bigint RETURNING id
)
UPDATE rmm.webhook_deliveries d SET state = 'pending', attempts = 0, next_at = clock_timestamp()
FROM hook
WHERE d.webhook = hook.id AND d.state = 'failed' AND d.change IS NOT NULL
  AND ($2::timestamptz IS NULL OR d.created_at >= $2::timestamptz)
