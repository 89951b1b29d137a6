-- $1 bigint: webhook, $2 text: message id. A delivery of type test, tried at once; as JSON.
WITH hook AS (
    UPDATE rmm.webhooks SET paused_until = '-infinity' WHERE id = $1::bigint RETURNING id
)
INSERT INTO rmm.webhook_deliveries AS d (webhook, message_id, type, body)
SELECT id, $2::text, 'test', json_build_object('type', 'test', 'timestamp', kql.time_text(clock_timestamp()),
                                               'data', json_build_object('webhook', id::text))::text
FROM hook
RETURNING rmm.webhook_delivery_json(d)
