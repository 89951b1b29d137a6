-- $1 bigint: webhook, and its deliveries.
DELETE FROM rmm.webhooks WHERE id = $1::bigint
