-- $1 bigint: above this id, $2 integer: limit. Webhooks in the order of their making, each as JSON.
SELECT w.id, rmm.webhook_json(w) FROM rmm.webhooks w WHERE w.id > $1::bigint ORDER BY w.id LIMIT $2::integer
