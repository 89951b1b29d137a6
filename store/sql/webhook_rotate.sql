-- $1 bigint: webhook, $2 text: secret. The one until now signs too for a day.
UPDATE rmm.webhooks AS w
SET old_secret = secret, old_secret_until = clock_timestamp() + interval '24 hours', secret = $2::text
WHERE id = $1::bigint
RETURNING rmm.webhook_json(w)
