-- $1 bigint: webhook, $2 text: state (NULL: any), $3 bigint: below this id, $4 integer: limit. Its deliveries, newest first.
SELECT d.id, rmm.webhook_delivery_json(d) FROM rmm.webhook_deliveries d
WHERE d.webhook = $1::bigint AND ($2::text IS NULL OR d.state = $2::text) AND d.id < $3::bigint
ORDER BY d.id DESC LIMIT $4::integer
