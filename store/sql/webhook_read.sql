-- $1 bigint: webhook. It as JSON, whether it is enabled, and its URL.
SELECT rmm.webhook_json(w), w.enabled, w.url FROM rmm.webhooks w WHERE w.id = $1::bigint
