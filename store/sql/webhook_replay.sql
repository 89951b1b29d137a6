-- $1 bigint: webhook, $2 timestamptz: since. The changes that it wants and was given before are sent once more.
WITH hook AS (
    UPDATE rmm.webhooks SET paused_until = '-infinity' WHERE id = $1::bigint RETURNING id
)
INSERT INTO rmm.webhook_deliveries (webhook, change, message_id, type, body)
SELECT w.id, c.id, 'chg_' || c.id, 'change.' || c.type, rmm.webhook_body(c)
FROM hook
JOIN rmm.webhooks w ON w.id = hook.id
JOIN rmm.changes c ON c.at >= $2::timestamptz AND c.id <= w.read_to
WHERE rmm.webhook_wants(w, c)
ORDER BY c.id
ON CONFLICT (webhook, message_id) DO UPDATE SET state = 'pending', attempts = 0, next_at = clock_timestamp()
