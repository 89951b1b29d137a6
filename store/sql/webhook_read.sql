-- $1 bigint: webhook. It as JSON, and whether it is enabled.
SELECT rmm.webhook_json(w), w.enabled FROM rmm.webhooks w WHERE w.id = $1::bigint
